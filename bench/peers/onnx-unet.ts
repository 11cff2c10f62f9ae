// The UNet as an ONNX graph, step by step as models/unet.ts and models/attention.ts have it, in evaluation. The sinusoids of the
// time come from outside (models/time_embedding.ts#sinusoids), for the batch's steps are known there.

import { OnnxGraph } from "../../engine/io/onnx.js";
import type { Conv1d, ConvTranspose2d, Linear } from "../../engine/nn.js";
import { add, conv2d, groupNorm, linear, permute, silu } from "../../models/onnx-layers.js";
import type { UNet } from "../../models/unet.js";

type Middle = UNet["middle"];
type ResBlock = Middle["res1"];
type AttentionBlock = Middle["attn"];
type Attention = AttentionBlock["self_attention"];

/** Inputs x (B, C, H, W), waves (B, initial_channels), context (B, context_input_channels); output eps, like x. */
export function unetGraph(net: UNet): OnnxGraph {
  net.entries(); // names the parameters
  const { input_channels, initial_channels, context_input_channels } = net.config;
  const g = new OnnxGraph("unet");
  const image = ["batch", input_channels, "height", "width"];
  const x = g.input("x", image);
  const waves = g.input("waves", ["batch", initial_channels]);
  const context = g.input("context", ["batch", context_input_channels]);
  const { lin1, lin2 } = net.time_emb;
  const siluTau = silu(g, linear(g, silu(g, linear(g, waves, lin1)), lin2));
  const walk = new Walk(g, siluTau, linear(g, context, net.context_emb), net.config.attention_head_channels);

  let h = conv2d(g, x, net.image_proj);
  const skips = [h];
  for (const module of net.down) {
    h = "conv" in module ? conv2d(g, h, module.conv) : walk.block(h, module);
    skips.push(h);
  }
  h = walk.middle(h, net.middle);
  for (const module of net.up) {
    h =
      "conv" in module
        ? convTranspose2d(g, h, module.conv)
        : walk.block(g.node("Concat", [h, skips.pop()!], { axis: { i: 1 } }), module);
  }
  g.output("eps", conv2d(g, silu(g, groupNorm(g, h, net.norm)), net.final), image);
  return g;
}

/** What every block is given. */
class Walk {
  constructor(
    private readonly g: OnnxGraph,
    private readonly siluTau: string,
    private readonly context: string,
    /** Channels a head. */
    private readonly D: number,
  ) {}

  block(x: string, { res, attn }: { res: ResBlock; attn: AttentionBlock | undefined }): string {
    const y = this.res(x, res);
    return attn ? this.attn(y, attn) : y;
  }

  middle(x: string, { res1, attn, res2 }: Middle): string {
    return this.res(this.attn(this.res(x, res1), attn), res2);
  }

  private res(x: string, b: ResBlock): string {
    const { g } = this;
    const h = conv2d(g, silu(g, groupNorm(g, x, b.norm1)), b.conv1);
    const e = linear(g, this.siluTau, b.time_emb[1]);
    const channel = (layer: Linear) => g.node("Reshape", [linear(g, e, layer), g.constant("i64", [0, -1, 1, 1])]);
    const scale = add(g, channel(b.scale_emb), g.constant("f32", [1], []));
    const moved = add(g, g.node("Mul", [groupNorm(g, h, b.norm2.norm), scale]), channel(b.shift_emb));
    const out = conv2d(g, silu(g, moved), b.conv2);
    return add(g, out, b.shortcut ? conv2d(g, x, b.shortcut) : x);
  }

  /** Pixels stay (B, C, H, W), tokens are (B, C', 32, 1): a layer at every position is then a convolution of kernel 1. */
  private attn(x: string, b: AttentionBlock): string {
    const { g } = this;
    let y = conv2d(g, x, b.x_proj_in);
    const shape = g.node("Shape", [y]);

    const own = groupNorm(g, y, b.x_norm);
    y = add(g, y, this.attend(own, own, b.self_attention));

    const split = g.constant("i64", [0, b.c_norm.weight.shape[0]!, -1, 1]);
    const tokens = groupNorm(g, g.node("Reshape", [linear(g, this.context, b.c_proj_in), split]), b.c_norm);
    y = add(g, y, this.attend(groupNorm(g, y, b.x_norm), tokens, b.cross_attention));

    const flat = g.constant("i64", [0, b.x_norm.weight.shape[0]!, -1]);
    const rows = permute(g, g.node("Reshape", [groupNorm(g, y, b.x_norm), flat]), [0, 2, 1]);
    const fed = permute(g, rowsLinear(g, gelu(g, rowsLinear(g, rows, b.ff[0])), b.ff[2]), [0, 2, 1]);
    y = add(g, y, g.node("Reshape", [fed, shape]));
    return add(g, x, conv2d(g, y, b.x_proj_out));
  }

  /** Multi-head attention of pixels or tokens to others. */
  private attend(x: string, keys: string, a: Attention): string {
    const { g, D } = this;
    const channels = a.to_q.weight.shape[0]!;
    const split = g.constant("i64", [0, channels / D, D, -1]); // (B, heads, D, L)
    const part = (of: string, layer: Conv1d) => g.node("Reshape", [pointwise(g, of, layer), split]);
    const turned = (of: string) => permute(g, of, [0, 1, 3, 2]);
    const logits = g.node("MatMul", [turned(part(x, a.to_q)), part(keys, a.to_k)]);
    const scaled = g.node("Mul", [logits, g.constant("f32", [D ** -0.5], [])]);
    const map = g.node("Softmax", [scaled], { axis: { i: -1 } });
    const y = turned(g.node("MatMul", [map, turned(part(keys, a.to_v))]));
    return pointwise(g, g.node("Reshape", [y, g.node("Shape", [x])]), a.proj_out);
  }
}

const bias = (g: OnnxGraph, layer: Conv1d | ConvTranspose2d | Linear): string[] =>
  layer.bias ? [g.weight(layer.bias.name, layer.bias.shape)] : [];

/** A convolution of kernel 1. */
function pointwise(g: OnnxGraph, x: string, layer: Conv1d): string {
  const weight = g.weight(layer.weight.name, [...layer.weight.shape, 1]);
  return g.node("Conv", [x, weight, ...bias(g, layer)], { kernel_shape: { ints: [1, 1] } });
}

/** Kernel 4, stride 2, padding 1: twice the side. */
function convTranspose2d(g: OnnxGraph, x: string, layer: ConvTranspose2d): string {
  const weight = g.weight(layer.weight.name, layer.weight.shape);
  const attributes = { kernel_shape: { ints: [4, 4] }, strides: { ints: [2, 2] }, pads: { ints: [1, 1, 1, 1] } };
  return g.node("ConvTranspose", [x, weight, ...bias(g, layer)], attributes);
}

/** A linear layer on the last of three dimensions. */
function rowsLinear(g: OnnxGraph, x: string, layer: Linear): string {
  const product = g.node("MatMul", [x, permute(g, g.weight(layer.weight.name, layer.weight.shape), [1, 0])]);
  return add(g, product, bias(g, layer)[0]!);
}

/** x (1 + erf(x / sqrt 2)) / 2 */
function gelu(g: OnnxGraph, x: string): string {
  const number = (v: number) => g.constant("f32", [v], []);
  const tail = add(g, g.node("Erf", [g.node("Div", [x, number(Math.SQRT2)])]), number(1));
  return g.node("Mul", [g.node("Mul", [x, tail]), number(0.5)]);
}
