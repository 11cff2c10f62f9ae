import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import {
  attention,
  attentionFromLogits,
  attentionLogits,
  crossAttention,
  selfAttention,
} from "../../engine/ops/attention.js";
import { backward, noGrad } from "../../engine/tape.js";
import { tensor, zeros } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import type { Array64 } from "../reference/array.js";
import * as reference from "../reference/attention.js";
import { slice } from "../reference/cat.js";

interface Args extends reference.AttentionArgs {
  stripBytes?: number;
}

const thirds = (x: Array64) => {
  const C = x.shape[1]! / 3;
  return [0, 1, 2].map((i) => slice(x, 1, i * C, (i + 1) * C)) as [Array64, Array64, Array64];
};
const self = (shape: number[]) => ({ q: shape, k: shape, v: shape });
const cross = (q: number[], Lk: number) => ({ q, k: [q[0]!, q[1]!, Lk], v: [q[0]!, q[1]!, Lk] });

checkOp<Args>(
  "attention",
  ({ q, k, v }, args) => attention(q!, k!, v!, args),
  ({ q, k, v }, args) => reference.attention(q!, k!, v!, args),
  [
    { why: "one head", inputs: self([2, 8, 16]), args: { heads: 1, scale: 0.5 } },
    { why: "three heads are slices of the channels", inputs: self([2, 24, 20]), args: { heads: 3, scale: 0.35 } },
    {
      why: "keys that are no multiple of 4 do not see the padding",
      inputs: self([2, 16, 7]),
      args: { heads: 2, scale: 1 },
    },
    {
      why: "... nor below the padding's zeros",
      inputs: cross([1, 8, 5], 6),
      range: [2, 3],
      args: { heads: 2, scale: -1 },
      allowedGrad: 1e-4,
    },
    {
      why: "fewer keys than queries, an odd number of queries",
      inputs: cross([2, 16, 37], 8),
      args: { heads: 2, scale: 0.3 },
    },
    {
      why: "heads of 68 channels, too wide for a GPU's registers",
      inputs: self([1, 68, 5]),
      args: { heads: 1, scale: 0.1 },
    },
    { why: "one query, one key", inputs: self([1, 4, 1]), args: { heads: 1, scale: 1 } },
    {
      why: "strips of two items, the last one short",
      inputs: self([5, 8, 12]),
      args: { heads: 2, scale: 0.5, stripBytes: 2400 },
    },
    {
      why: "a strip holds an item at least",
      inputs: cross([3, 8, 6], 5),
      args: { heads: 2, scale: 0.5, stripBytes: 4 },
    },
    {
      why: "logits of 1,000 do not overflow",
      inputs: self([1, 8, 8]),
      range: [-10, 10],
      args: { heads: 1, scale: 3 },
      allowedGrad: 1e-4,
    },
  ],
);

checkOp<Args>(
  "self_attention",
  ({ qkv }, args) => selfAttention(qkv!, args),
  ({ qkv }, args) => {
    const [q, k, v] = thirds(qkv!);
    return reference.attention(q, k, v, args);
  },
  [
    { why: "two heads, several blocks of queries", inputs: { qkv: [2, 24, 70] }, args: { heads: 2, scale: 0.5 } },
    {
      why: "tokens that are no multiple of 4, two strips",
      inputs: { qkv: [2, 24, 7] },
      args: { heads: 1, scale: 1, stripBytes: 300 },
    },
  ],
);

checkOp<Args>(
  "cross_attention",
  ({ q, kv }, args) => crossAttention(q!, kv!, args),
  ({ q, kv }, args) => reference.attention(q!, slice(kv!, 1, 0, 8), slice(kv!, 1, 8, 16), args),
  [
    { why: "many keys, few queries", inputs: { q: [2, 8, 5], kv: [2, 16, 70] }, args: { heads: 2, scale: 0.5 } },
    {
      why: "keys that are no multiple of 4",
      inputs: { q: [3, 8, 12], kv: [3, 16, 6] },
      args: { heads: 1, scale: 0.3 },
    },
  ],
);

checkOp<reference.AttentionArgs>(
  "attention_logits",
  ({ q, k }, args) => attentionLogits(q!, k!, args),
  ({ q, k }, args) => reference.attentionLogits(q!, k!, args),
  [
    { why: "heads become items", inputs: { q: [2, 12, 9], k: [2, 12, 8] }, args: { heads: 3, scale: 0.5 } },
    {
      why: "keys that are no multiple of 4 are cut off",
      inputs: { q: [2, 8, 5], k: [2, 8, 7] },
      args: { heads: 2, scale: 2 },
    },
  ],
);

checkOp<{ heads: number }>(
  "attention_from_logits",
  ({ logits, v }, { heads }) => attentionFromLogits(logits!, v!, heads),
  ({ logits, v }, { heads }) => reference.attentionFromLogits(logits!, v!, heads),
  [
    { why: "heads", inputs: { logits: [6, 9, 8], v: [2, 12, 8] }, args: { heads: 3 } },
    { why: "keys that are no multiple of 4", inputs: { logits: [2, 5, 7], v: [2, 8, 7] }, args: { heads: 1 } },
  ],
);

const source = (values: number[]) => ({ shape: [values.length], dtype: "u32" as const, values });

checkOp<Args>(
  "attention of other items",
  ({ q, k, v, source }, args) => noGrad(() => attention(q!, k!, v!, { ...args, source: source! })),
  ({ q, k, v, source }, args) => reference.attentionOf(q!, k!, v!, source!, args),
  [
    {
      why: "another, itself, one twice",
      inputs: { ...self([4, 8, 6]), source: source([2, 1, 0, 2]) },
      args: { heads: 2, scale: 1 },
    },
    {
      why: "the source lies in another strip",
      inputs: { ...self([3, 8, 8]), source: source([2, 2, 0]) },
      args: { heads: 1, scale: 1, stripBytes: 256 },
    },
  ],
  { grad: false },
);

checkOp<Args>(
  "attention_blend",
  ({ q, k, v, source }, args) => noGrad(() => attention(q!, k!, v!, { ...args, source: source!, blend: true })),
  ({ q, k, v, source }, args) => reference.attentionBlended(q!, k!, v!, source!, args),
  [
    {
      why: "another, itself, one twice",
      inputs: { ...cross([4, 16, 9], 32), source: source([2, 1, 0, 2]) },
      args: { heads: 2, scale: 1 },
    },
    {
      why: "keys that are no multiple of 4",
      inputs: { ...cross([2, 8, 70], 6), source: source([1, 0]) },
      args: { heads: 1, scale: 1 },
    },
    {
      why: "the source lies in another strip",
      inputs: { ...cross([3, 8, 5], 8), source: source([2, 2, 0]) },
      args: { heads: 1, scale: 1, stripBytes: 320 },
    },
    {
      why: "workgroups of rows, all full",
      inputs: { ...cross([4, 4, 80], 8), source: source([1, 0, 3, 2]) },
      args: { heads: 1, scale: 1 },
    },
    {
      why: "equal logits have no spread to divide by: items that are their own source are left alone, in every strip",
      inputs: { ...cross([3, 8, 5], 8), k: { shape: [3, 8, 8], range: [0.5, 0.5] }, source: source([0, 1, 2]) },
      args: { heads: 1, scale: 1, stripBytes: 320 },
    },
    {
      why: "a shift of all logits does not matter to the spread",
      inputs: { ...cross([2, 8, 5], 8), k: { shape: [2, 8, 8], range: [5, 6] }, source: source([1, 1]) },
      args: { heads: 1, scale: 1 },
      allowed: 3e-5,
    },
  ],
  { grad: false },
);

test("wrong shapes are refused with both of them", async () => {
  const dev = await openDevice();
  try {
    const x = zeros([2, 8, 5]);
    const options = { heads: 2, scale: 1 };
    expect(() => attention(x, zeros([2, 4, 5]), x, options)).toThrow(/\(2, 8, 5\).*\(2, 4, 5\)/);
    expect(() => attention(x, x, zeros([2, 8, 6]), options)).toThrow(/v is \(2, 8, 6\)/);
    expect(() => attention(x, x, x, { heads: 4, scale: 1 })).toThrow(/8 channels are 2 for each of 4 heads/);
    expect(() => attention(x, x, x, { ...options, source: tensor([0, 1]) })).toThrow(/source is \(2\).*\(2\) u32/);
    expect(() => attentionFromLogits(zeros([2, 5, 5]), x, 2)).toThrow(/\(4, Lq, 5\)/);
  } finally {
    dev.close();
  }
});

test("a gradient through `source` is refused rather than wrong", async () => {
  const dev = await openDevice();
  try {
    const x = zeros([1, 4, 4]).requiresGrad("x");
    const y = attention(x, x, x, { heads: 1, scale: 1, source: tensor([0], [1], "u32") });
    expect(() => backward(y, y.detach())).toThrow(/no gradient through `source`/);
  } finally {
    dev.close();
  }
});
