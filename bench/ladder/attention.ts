// attention with 32 channels a head

import { attention as op } from "../../engine/ops/attention.js";
import { kernel } from "../../engine/shader.js";
import { empty } from "../../engine/tensor.js";
import { type Case, filled, type Group, type Pair } from "../case.js";
import { rung, sentenceOf, type Task } from "./rung.js";

const D = 32; // channels a head, as in the UNet
const scale = 1 / Math.sqrt(D);

/** Self-attention of B sequences of L tokens. */
export function attentionRungs(B: number, heads: number, L: number): Case[] {
  const C = heads * D;
  const [q, k, v] = [1, 2, 3].map((seed) => filled([B, C, L], seed, "channels_last"));
  const tensors = { q: q!.t, k: k!.t, v: v!.t };
  const make = () => empty([B, C, L], "f32", "channels_last");
  const row = (x: Float32Array, l: number) => Array.from({ length: D }, (_, d) => x[(C - D + d) * L + l]!); // item 0, last head
  const task: Task = {
    work: { flops: 4 * B * heads * L * L * D },
    allowed: 1e-5,
    check: async (y) => {
      const got = await y.read();
      const query = row(q!.v, L - 1);
      const p = Array.from({ length: L }, (_, l) =>
        Math.exp(scale * row(k!.v, l).reduce((sum, x, d) => sum + x * query[d]!, 0)),
      );
      const total = p.reduce((a, b) => a + b);
      return Array.from({ length: D }, (_, d): Pair => {
        const want = p.reduce((sum, w, l) => sum + (w / total) * row(v!.v, l)[d]!, 0);
        return [row(got as Float32Array, L - 1)[d]!, want];
      });
    },
  };
  return [
    { ...task, name: "attention_1", why: sentenceOf("attention_1_scores"), run: () => inThreeKernels() },
    rung("attention_2_online", task, {
      tensors,
      make,
      params: { B, heads, L, scale },
      launch: { workgroups: Math.ceil((B * heads * L) / 32) },
    }),
    {
      ...task,
      name: "the engine's attention",
      why: "Scores and weighing are batched matrix products by the engine's matmul, with a softmax between: a strip of the map at a time, so that it never grows past what the adapter binds.",
      run: () => op(tensors.q, tensors.k, tensors.v, { heads, scale }),
    },
  ];

  function inThreeKernels() {
    const [a, p, y] = [empty([B * heads, L, L]), empty([B * heads, L, L]), make()];
    const threads = (n: number) => ({ workgroups: Math.ceil(n / 64) });
    const sizes = { B, heads, L, D };
    kernel("ladder/attention_1_scores").run({ q: tensors.q, k: tensors.k, y: a }, { ...sizes, scale }, threads(a.size));
    kernel("ladder/softmax_1_naive").run({ x: a, y: p }, { rows: B * heads * L, cols: L }, threads(B * heads * L));
    kernel("ladder/attention_1_weigh").run({ p, v: tensors.v, y }, sizes, threads(y.size));
    return y;
  }
}

export const attentionLadder: Group = { stem: "attention", make: () => attentionRungs(8, 6, 256) };
