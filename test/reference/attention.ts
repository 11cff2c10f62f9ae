// float64 twins of engine/ops/attention.ts.

import { type Array64, array } from "./array.js";

export interface AttentionArgs {
  heads: number;
  scale: number;
}

/** (B * heads, Lq, Lk). */
export function attentionLogits(q: Array64, k: Array64, { heads, scale }: AttentionArgs): Array64 {
  const [B, C, Lq] = q.shape as [number, number, number];
  const Lk = k.shape[2]!;
  const D = C / heads;
  return array([B * heads, Lq, Lk], (i) => {
    const [n, r, c] = [Math.floor(i / (Lq * Lk)), Math.floor(i / Lk) % Lq, i % Lk];
    let s = 0;
    for (let d = 0; d < D; d++) s += q.data[(n * D + d) * Lq + r]! * k.data[(n * D + d) * Lk + c]!;
    return scale * s;
  });
}

/** softmax(logits) v. */
export function attentionFromLogits(logits: Array64, v: Array64, heads: number): Array64 {
  const [B, C, Lk] = v.shape as [number, number, number];
  const Lq = logits.shape[1]!;
  const D = C / heads;
  const p = array(logits.shape);
  for (let first = 0; first < p.data.length; first += Lk) {
    const row = logits.data.subarray(first, first + Lk);
    const most = Math.max(...row);
    const exps = row.map((a) => Math.exp(a - most));
    const total = exps.reduce((a, b) => a + b);
    exps.forEach((e, c) => {
      p.data[first + c] = e / total;
    });
  }
  return array([B, C, Lq], (i) => {
    const [channel, r] = [Math.floor(i / Lq), i % Lq]; // channel counts over the batch too, and so does the head
    const head = Math.floor(channel / D);
    let s = 0;
    for (let c = 0; c < Lk; c++) s += p.data[(head * Lq + r) * Lk + c]! * v.data[channel * Lk + c]!;
    return s;
  });
}

export const attention = (q: Array64, k: Array64, v: Array64, args: AttentionArgs): Array64 =>
  attentionFromLogits(attentionLogits(q, k, args), v, args.heads);

/** Items of another order: x[source[b]]. */
function itemsOf(x: Array64, source: Array64): Array64 {
  const size = x.data.length / x.shape[0]!;
  const shape = [source.data.length, ...x.shape.slice(1)];
  return array(shape, (i) => x.data[source.data[Math.floor(i / size)]! * size + (i % size)]!);
}

/** Self-attention by the q and k of other items. */
export const attentionOf = (q: Array64, k: Array64, v: Array64, source: Array64, args: AttentionArgs): Array64 =>
  attention(itemsOf(q, source), itemsOf(k, source), v, args);

/** Cross-attention with the official blend: each row's mean and spread half way to those of the source's row. */
export function attentionBlended(q: Array64, k: Array64, v: Array64, source: Array64, args: AttentionArgs): Array64 {
  const own = attentionLogits(q, k, args);
  const other = attentionLogits(itemsOf(q, source), itemsOf(k, source), args);
  const [, Lq, Lk] = own.shape as [number, number, number];
  const statistics = (x: Array64, first: number) => {
    const row = x.data.subarray(first, first + Lk);
    const mean = row.reduce((a, b) => a + b) / Lk;
    return { mean, std: Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / (Lk - 1)) };
  };
  const blended = array(own.shape, (i) => {
    const item = Math.floor(i / (args.heads * Lq * Lk));
    if (source.data[item] === item) return own.data[i]!;
    const first = i - (i % Lk);
    const [a, b] = [statistics(own, first), statistics(other, first)];
    return ((own.data[i]! - a.mean) / a.std) * ((a.std + b.std) / 2) + (a.mean + b.mean) / 2;
  });
  return attentionFromLogits(blended, v, args.heads);
}
