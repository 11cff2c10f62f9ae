// The recognisers as ONNX graphs, block by block as their forward in iresnet.ts: image (batch, 3, side, side) -> features
// (batch, features), in evaluation mode. Dropout is not there, for it does nothing then.

import { type GraphOptions, OnnxGraph } from "../engine/io/onnx.js";
import { type Backbone, type backbones, IR, type IResNet, sizesOf } from "./iresnet.js";
import { add, batchNorm, conv2d, linear, prelu, subsample } from "./onnx-layers.js";

type IRBlock = IR["body"][number];
type IResNetBlock = IResNet["layer1"][number];

/** The graph of a net of this name. Input `image`, output `features`; the net needs no values. */
export function recogniserGraph(name: keyof typeof backbones, net: Backbone, options?: GraphOptions): OnnxGraph {
  net.entries(); // names the parameters
  const { side, features } = sizesOf(name);
  const g = new OnnxGraph(name, options);
  const x = g.input("image", ["batch", 3, side, side]);
  g.output("features", net instanceof IR ? ir(g, x, net) : iresnet(g, x, net as IResNet), ["batch", features]);
  return g;
}

function ir(g: OnnxGraph, x: string, net: IR): string {
  const [i, o] = [net.input_layer, net.output_layer];
  let h = prelu(g, batchNorm(g, conv2d(g, x, i[0]), i[1]), i[2]);
  for (const block of net.body) h = irBlock(g, h, block);
  h = g.node("Flatten", [batchNorm(g, h, o[0])]);
  return batchNorm(g, linear(g, h, o[3]), o[4]);
}

function irBlock(g: OnnxGraph, x: string, { res_layer: r, shortcut_layer: s, stride }: IRBlock): string {
  const h = prelu(g, batchNorm(g, conv2d(g, batchNorm(g, x, r[0]), r[1]), r[2]), r[3]);
  const out = batchNorm(g, conv2d(g, h, r[4]), r[5]);
  if (s) return add(g, out, batchNorm(g, conv2d(g, x, s[0]), s[1]));
  return add(g, out, stride === 1 ? x : subsample(g, x, stride));
}

function iresnet(g: OnnxGraph, x: string, net: IResNet): string {
  let h = prelu(g, batchNorm(g, conv2d(g, x, net.conv1), net.bn1), net.prelu);
  for (const block of [net.layer1, net.layer2, net.layer3, net.layer4].flat()) h = iresnetBlock(g, h, block);
  h = g.node("Flatten", [batchNorm(g, h, net.bn2)]);
  return batchNorm(g, linear(g, h, net.fc), net.features);
}

function iresnetBlock(g: OnnxGraph, x: string, b: IResNetBlock): string {
  const h = prelu(g, batchNorm(g, conv2d(g, batchNorm(g, x, b.bn1), b.conv1), b.bn2), b.prelu);
  const out = batchNorm(g, conv2d(g, h, b.conv2), b.bn3);
  const d = b.downsample;
  return add(g, out, d ? batchNorm(g, conv2d(g, x, d[0]), d[1]) : x);
}
