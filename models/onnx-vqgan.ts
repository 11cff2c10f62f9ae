// The VQGAN's way from latents to images as an ONNX graph, step by step as in vqgan.ts. Both sides of a latent are the caller's
// choice. No clamp at the end, as there.

import { type GraphOptions, OnnxGraph } from "../engine/io/onnx.js";
import { add, attention, conv2d, groupNorm, permute, silu, upsampleNearest2 } from "./onnx-layers.js";
import type { Decoder, VqGan } from "./vqgan.js";

type Block = Decoder["mid"]["block_1"];
type AttnBlock = Decoder["mid"]["attn_1"];

export interface DecoderOptions extends GraphOptions {
  /** The graph takes codes that are quantised already (`VqGan.decodeCodes`) and holds no codebook. */
  codes?: boolean;
}

/** Input `z` (or `codes`) (batch, embed_dim, height, width), output `image` (batch, out_ch, ..., ...); the net needs no values. */
export function decoderGraph(
  name: string,
  net: VqGan,
  { codes = false, float = "f32" }: DecoderOptions = {},
): OnnxGraph {
  net.entries(); // names the parameters
  const { embed_dim, out_ch, ch_mult } = net.config;
  const g = new OnnxGraph(`${name} ${codes ? "decoder of codes" : "decoder"}`, { float });
  const x = g.input(codes ? "codes" : "z", ["batch", embed_dim, "height", "width"]);
  const zq = codes ? x : nearestCodes(g, x, net);
  const f = 2 ** (ch_mult.length - 1);
  const image = decoder(g, conv2d(g, zq, net.post_quant_conv), net.decoder);
  g.output("image", image, ["batch", out_ch, `${f} height`, `${f} width`]);
  return g;
}

/**
 * The nearest code of each pixel, by the first least |z|^2 + |e|^2 - 2 z e in that order of additions: (B, D, h, w) in the form
 * (B, h, w, D) and back. `VqGan.quantise` returns z + (code - z), which differs from the code by rounding alone.
 */
function nearestCodes(g: OnnxGraph, z: string, net: VqGan): string {
  const { n_embed, embed_dim } = net.config;
  const e = g.weight(net.quantize.embedding.weight.name, [n_embed, embed_dim]);
  const pixels = permute(g, z, [0, 2, 3, 1]);
  const squares = (x: string, keep: number) =>
    g.node("ReduceSum", [g.node("Mul", [x, x]), g.constant("i64", [-1])], { keepdims: { i: keep } });
  const both = g.node("Add", [squares(pixels, 1), squares(e, 0)]);
  const products = g.node("MatMul", [pixels, permute(g, e, [1, 0])]);
  const distance = g.node("Sub", [both, g.node("Mul", [products, g.constant("f32", [2], [])])]);
  const index = g.node("ArgMin", [distance], { axis: { i: -1 }, keepdims: { i: 0 } });
  return permute(g, g.node("Gather", [e, index]), [0, 3, 1, 2]);
}

function decoder(g: OnnxGraph, z: string, net: Decoder): string {
  let h = conv2d(g, z, net.conv_in);
  h = resnetBlock(g, attnBlock(g, resnetBlock(g, h, net.mid.block_1), net.mid.attn_1), net.mid.block_2);
  for (const { block, upsample } of [...net.up].reverse()) {
    for (const b of block) h = resnetBlock(g, h, b);
    if (upsample) h = conv2d(g, upsampleNearest2(g, h), upsample.conv);
  }
  return conv2d(g, silu(g, groupNorm(g, h, net.norm_out)), net.conv_out);
}

function resnetBlock(g: OnnxGraph, x: string, b: Block): string {
  const h = conv2d(g, silu(g, groupNorm(g, x, b.norm1)), b.conv1);
  const out = conv2d(g, silu(g, groupNorm(g, h, b.norm2)), b.conv2);
  return add(g, b.nin_shortcut ? conv2d(g, x, b.nin_shortcut) : x, out);
}

function attnBlock(g: OnnxGraph, x: string, b: AttnBlock): string {
  const channels = b.q.weight.shape[0]!;
  const h = groupNorm(g, x, b.norm);
  const flat = (layer: typeof b.q) => g.node("Reshape", [conv2d(g, h, layer), g.constant("i64", [0, channels, -1])]);
  const y = attention(g, [flat(b.q), flat(b.k), flat(b.v)], channels ** -0.5);
  return add(g, x, conv2d(g, g.node("Reshape", [y, g.node("Shape", [x])]), b.proj_out));
}
