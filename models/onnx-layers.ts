// Our layers as ONNX operators. Each function adds nodes to a graph and returns the name of its output, as the layer's forward
// returns a tensor; weights go in under their state-dict keys, which a net's `entries()` has given them.
//
//   BatchNorm   its own node, not folded into the convolution beside it: names and values stay those of the checkpoint, and the
//               one before a padded convolution cannot be folded, for the padding is zero after it. Runtimes fold the others.
//   GroupNorm   InstanceNormalization of rows of one group each: the operator GroupNormalization says what PyTorch's layer does
//               only from operator set 21 on.
//   PReLU and GroupNorm keep a number a channel as (C, 1, 1), the shape that the operators broadcast; the order is the same.

import type { OnnxGraph } from "../engine/io/onnx.js";
import type { BatchNorm, Conv2d, GroupNorm, Linear, Parameter, PReLU } from "../engine/nn.js";
import { sides } from "../engine/ops/convolution.js";

const weight = (g: OnnxGraph, p: Parameter, shape = p.shape): string => g.weight(p.name, shape);
/** A number a channel, (C) -> (C, 1, 1). */
const perChannel = (g: OnnxGraph, p: Parameter): string => weight(g, p, [...p.shape, 1, 1]);
/** A layer's name: the key of one of its parameters without its last part. */
const layerOf = (p: Parameter): string => p.name.slice(0, p.name.lastIndexOf("."));

export function conv2d(g: OnnxGraph, x: string, layer: Conv2d): string {
  const { stride, padding } = layer.options;
  const kernel = layer.weight.shape.slice(2);
  const inputs = [x, weight(g, layer.weight), ...(layer.bias ? [weight(g, layer.bias)] : [])];
  const attributes = {
    kernel_shape: { ints: kernel },
    strides: { ints: [stride, stride] },
    pads: { ints: sides(padding) }, // top, left, bottom, right in both
  };
  return g.node("Conv", inputs, attributes, layerOf(layer.weight));
}

/** y = x w^T + b for x (B, I). */
export function linear(g: OnnxGraph, x: string, layer: Linear): string {
  const inputs = [x, weight(g, layer.weight), ...(layer.bias ? [weight(g, layer.bias)] : [])];
  return g.node("Gemm", inputs, { transB: { i: 1 } }, layerOf(layer.weight));
}

/** With the running statistics: a net that is exported does not train. */
export function batchNorm(g: OnnxGraph, x: string, layer: BatchNorm): string {
  const { running_mean: mean, running_var: variance } = layer;
  const filled = (value: number) => g.constant("f32", new Array<number>(mean.shape[0]!).fill(value));
  const inputs = [
    x,
    layer.weight ? weight(g, layer.weight) : filled(1),
    layer.bias ? weight(g, layer.bias) : filled(0),
    weight(g, mean),
    weight(g, variance),
  ];
  return g.node("BatchNormalization", inputs, { epsilon: { f: layer.eps } }, layerOf(mean));
}

export function prelu(g: OnnxGraph, x: string, layer: PReLU): string {
  return g.node("PRelu", [x, perChannel(g, layer.weight)], {}, layerOf(layer.weight));
}

export function groupNorm(g: OnnxGraph, x: string, layer: GroupNorm): string {
  const { groups, eps } = layer;
  const filled = (value: number) => g.constant("f32", new Array<number>(groups).fill(value));
  const rows = g.node("Reshape", [x, g.constant("i64", [0, groups, -1])]);
  const normal = g.node(
    "InstanceNormalization",
    [rows, filled(1), filled(0)],
    { epsilon: { f: eps } },
    layerOf(layer.weight),
  );
  const back = g.node("Reshape", [normal, g.node("Shape", [x])]);
  return g.node("Add", [g.node("Mul", [back, perChannel(g, layer.weight)]), perChannel(g, layer.bias)]);
}

/** x sigmoid(x) */
export const silu = (g: OnnxGraph, x: string): string => g.node("Mul", [x, g.node("Sigmoid", [x])]);

export const add = (g: OnnxGraph, a: string, b: string): string => g.node("Add", [a, b]);

export const permute = (g: OnnxGraph, x: string, order: readonly number[]): string =>
  g.node("Transpose", [x], { perm: { ints: order } });

/** softmax(q^T k scale) over the keys, times v: one head, q, k, v and y (B, D, L). */
export function attention(g: OnnxGraph, [q, k, v]: readonly [string, string, string], scale: number): string {
  const logits = g.node("MatMul", [permute(g, q, [0, 2, 1]), k]);
  const map = g.node("Softmax", [g.node("Mul", [logits, g.constant("f32", [scale], [])])], { axis: { i: -1 } });
  return g.node("MatMul", [v, permute(g, map, [0, 2, 1])]);
}

/** Every pixel four times: (B, C, H, W) -> (B, C, 2 H, 2 W). */
export function upsampleNearest2(g: OnnxGraph, x: string): string {
  const nearest = {
    mode: { s: "nearest" },
    coordinate_transformation_mode: { s: "asymmetric" },
    nearest_mode: { s: "floor" },
  };
  return g.node("Resize", [x, "", g.constant("f32", [1, 1, 2, 2])], nearest);
}

/** Every `stride`-th pixel. */
export const subsample = (g: OnnxGraph, x: string, stride: number): string =>
  g.node("MaxPool", [x], { kernel_shape: { ints: [1, 1] }, strides: { ints: [stride, stride] } });
