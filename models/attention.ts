// The attention block of the UNet (paper, figure 3): self-attention over pixels, cross-attention to the context's tokens, and a
// feed-forward layer, each on the normalised features and added to them.
//
//   A = q k / sqrt(D)         logits of a head, (queries, keys), D = channels a head
//   y = softmax(A) v          softmax over keys
//
// Two-stage sampling (paper, section 3.3) lets another pass's attention into this one. That pass's logits S are given as such,
// the form of the official code, or as rows of this very batch whose q and k make them:
//
//   self     A' = S                                                  softmax(S) v
//   cross    A' = (A - mean A) / std A * std' + mean'                mean', std' half way between A's and S's over the keys
//            softmax(A') = softmax(A (1 + std S / std A) / 2)        a shift of a whole row does not matter to softmax

import { Conv1d, Conv2d, constant, GroupNorm, type Joined, joined, Linear, Module } from "../engine/nn.js";
import { attentionFromLogits, attentionLogits, crossAttention, selfAttention } from "../engine/ops/attention.js";
import { add, div, mul, sub } from "../engine/ops/binary.js";
import { slice } from "../engine/ops/cat.js";
import { feedForward, type Layer } from "../engine/ops/feed_forward.js";
import { bilinear } from "../engine/ops/interpolate.js";
import { reshape } from "../engine/ops/layout.js";
import { linearChannels } from "../engine/ops/linear.js";
import { max, mean, std } from "../engine/ops/reduce.js";
import { softmax } from "../engine/ops/softmax.js";
import { clamp } from "../engine/ops/unary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

/** Tokens that `c_proj_in` makes of a context. */
export const TOKENS = 32;
/** Side of the summary of attention, whatever the latent's side is. */
export const HEAT = 32;

/** Another pass's attention: its raw logits (B heads, Lq, Lk), or for every row of the batch the row that stands for it, u32 (B). */
export type Source = { logits: Tensor } | { rows: Tensor } | undefined;

export interface AttentionOptions {
  self?: Source;
  cross?: Source;
  /** Also return the raw logits. */
  maps?: boolean;
  /** Also return the summary of the cross-attention. */
  heat?: boolean;
}

export interface AttentionResult {
  y: Tensor;
  /** This pass's own logits, (B heads, L, L) and (B heads, L, 32), whatever was used in their place. */
  selfMap?: Tensor;
  crossMap?: Tensor;
  /** (B, 1, 32, 32), see `summary`. */
  heat?: Tensor;
}

/** Projections of one multi-head attention. */
class Attention extends Module {
  readonly to_q: Conv1d;
  readonly to_k: Conv1d;
  readonly to_v: Conv1d;
  readonly proj_out: Conv1d;

  constructor(channels: number, keyChannels: number) {
    super();
    this.to_q = new Conv1d(channels, channels);
    this.to_k = new Conv1d(keyChannels, channels);
    this.to_v = new Conv1d(keyChannels, channels);
    this.proj_out = new Conv1d(channels, channels);
  }
}

export class AttentionBlock extends Module {
  readonly x_proj_in: Conv2d;
  readonly x_proj_out: Conv2d;
  readonly self_attention: Attention;
  readonly c_proj_in: Linear;
  readonly cross_attention: Attention;
  readonly x_norm: GroupNorm;
  readonly c_norm: GroupNorm;
  readonly ff: { 0: Linear; 2: Linear };
  readonly #qkv: Joined;

  constructor(
    channels: number,
    private readonly heads: number,
    contextChannels: number,
    groups = 32,
  ) {
    super();
    this.x_proj_in = new Conv2d(channels, channels, 1);
    this.x_proj_out = new Conv2d(channels, channels, 1, { init: constant(0) });
    this.self_attention = new Attention(channels, channels);
    this.c_proj_in = new Linear(contextChannels, TOKENS * contextChannels);
    this.cross_attention = new Attention(channels, contextChannels);
    this.x_norm = new GroupNorm(groups, channels);
    this.c_norm = new GroupNorm(groups, contextChannels);
    this.ff = { 0: new Linear(channels, 4 * channels), 2: new Linear(4 * channels, channels) };
    const { to_q, to_k, to_v } = this.self_attention;
    this.#qkv = joined([to_q, to_k, to_v]);
  }

  /**
   * @param x    (B, C, H, W)
   * @param kv   (B, 2 C, 32): k, then v of the context's tokens (conditioning.ts)
   */
  forward(x: Tensor, kv: Tensor, options: AttentionOptions = {}): AttentionResult {
    const [B, C, H, W] = x.shape as [number, number, number, number];
    let y = reshape(this.x_proj_in.forward(x), [B, C, H * W]);

    const own = this.attendSelf(this.x_norm.forward(y), options);
    y = this.self_attention.proj_out.forward(own.y, y);

    const other = this.attendCross(this.x_norm.forward(y), kv, options);
    y = this.cross_attention.proj_out.forward(other.y, y);

    y = feedForward(this.x_norm.forward(y), layer(this.ff[0]), layer(this.ff[2]), y);
    const maps = { ...(own.map && { selfMap: own.map }), ...(other.map && { crossMap: other.map }) };
    const heat = other.heat && { heat: bilinear(reshape(other.heat, [B, 1, H, W]), [HEAT, HEAT]) };
    return { y: this.x_proj_out.forward(reshape(y, [B, C, H, W]), x), ...maps, ...heat };
  }

  private get scale(): number {
    return (this.x_norm.weight.shape[0]! / this.heads) ** -0.5;
  }

  private attendSelf(x: Tensor, { self: source, maps }: AttentionOptions): { y: Tensor; map?: Tensor } {
    const { heads, scale } = this;
    const qkv = linearChannels(x, this.#qkv.weight.value, this.#qkv.bias.value);
    const C = x.dim(1);
    const [q, k] = [() => slice(qkv, 1, 0, C), () => slice(qkv, 1, C, 2 * C)];
    const map = maps && { map: attentionLogits(q(), k(), { heads, scale }) };
    if (source && "logits" in source)
      return { y: attentionFromLogits(source.logits, slice(qkv, 1, 2 * C), heads), ...map };
    return { y: selfAttention(qkv, { heads, scale, ...(source && { source: source.rows }) }), ...map };
  }

  private attendCross(x: Tensor, kv: Tensor, options: AttentionOptions): { y: Tensor; map?: Tensor; heat?: Tensor } {
    const { cross: source, maps, heat } = options;
    const { heads, scale } = this;
    const q = this.cross_attention.to_q.forward(x);
    const C = x.dim(1);
    const logits = (scale: number) => attentionLogits(q, slice(kv, 1, 0, C), { heads, scale });
    const literal = source && "logits" in source ? source.logits : undefined;
    const rows = source && "rows" in source ? source.rows : undefined;
    // The official code returns these logits with 0.5 in place of D^(-1/4) on q and k: its blend factor overwrote the scale.
    const map = maps && { map: logits(literal ? 0.25 : scale) };
    const summed = heat && { heat: scope(() => summary(logits(scale), heads)) };
    const y = literal
      ? attentionFromLogits(blended(logits(scale), literal), slice(kv, 1, C), heads)
      : crossAttention(q, kv, { heads, scale, ...(rows && { source: rows, blend: true }) });
    return { y, ...map, ...summed };
  }
}

const layer = ({ weight, bias }: Linear): Layer => ({ w: weight.value, bias: bias!.value });

/** Adaptive instance normalisation of each query's logits, half way to the source's; the paper's "AdaIN" in its literal form. */
function blended(own: Tensor, source: Tensor): Tensor {
  const centre = mean(own, -1, true);
  const spread = std(own, -1, { keepdim: true });
  const newSpread = mul(add(spread, std(source, -1, { keepdim: true })), 0.5);
  const newCentre = mul(add(centre, mean(source, -1, true)), 0.5);
  return add(mul(div(sub(own, centre), spread), newSpread), newCentre);
}

/**
 * Where a head looks, as the two-stage sampler measures it: softmax over the positions (the official code's choice), the mean
 * over tokens and heads, and 1 for the strongest position.
 *
 * @param logits  (B heads, L, 32)
 * @returns       (B, L)
 */
function summary(logits: Tensor, heads: number): Tensor {
  const [rows, L] = logits.shape as [number, number, number];
  const looks = mean(softmax(logits, 1), 2);
  const m = mean(reshape(looks, [rows / heads, heads, L]), 1);
  return div(m, reshape(max(m, 1), [rows / heads, 1]));
}

/** The mean of the layers' summaries, each image stretched to 0..1: h_t of the paper, (B, 32, 32). A constant one gives NaN. */
export function heatmap(layers: readonly Tensor[]): Tensor {
  const B = layers[0]!.dim(0);
  const total = layers.map((m) => clamp(m, 0, 1)).reduce((a, b) => add(a, b));
  const m = reshape(div(total, layers.length), [B, HEAT * HEAT]);
  const top = reshape(max(m, 1), [B, 1]);
  const bottom = mul(reshape(max(mul(m, -1), 1), [B, 1]), -1);
  return reshape(div(sub(m, bottom), sub(top, bottom)), [B, HEAT, HEAT]);
}
