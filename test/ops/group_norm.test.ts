import { add, mul } from "../../engine/ops/binary.js";
import { groupNorm } from "../../engine/ops/group_norm.js";
import { groupNormPair } from "../../engine/ops/group_norm_pair.js";
import { checkOp, type OpCase } from "../check-op.js";
import { type Array64, map } from "../reference/array.js";
import { cat } from "../reference/cat.js";
import type { GroupNormArgs } from "../reference/group_norm.js";
import * as reference from "../reference/group_norm.js";

type Parts = { x: Array64; w: Array64; b: Array64; modulation?: Array64 };

const plain = (x: number[]) => ({ x, w: [x[1]!], b: [x[1]!] });
const modulated = (x: number[]) => ({ ...plain(x), modulation: [x[0]!, 2 * x[1]!] });
const cases: OpCase<GroupNormArgs>[] = [
  { why: "one channel a group", inputs: plain([2, 32, 11]), args: { groups: 32, eps: 1e-6 } },
  { why: "three channels a group: a vec4 spans two", inputs: plain([2, 12, 5, 7]), args: { groups: 4 } },
  { why: "six channels a group, SiLU", inputs: plain([2, 24, 6, 6]), args: { groups: 4, silu: true } },
  {
    why: "groups of more elements than a workgroup takes: statistics, merge and map by themselves",
    inputs: modulated([1, 4, 65, 64]),
    args: { groups: 1, silu: true },
  },
  {
    why: "modulated, SiLU, several chunks of pixels",
    inputs: modulated([2, 12, 13, 9]),
    args: { groups: 2, silu: true },
  },
  { why: "modulated, one item", inputs: modulated([1, 24, 4, 4]), args: { groups: 8 } },
  { why: "one group of everything", inputs: plain([3, 8, 3, 3]), args: { groups: 1, silu: true } },
  { why: "channels that are no multiple of 4", inputs: modulated([2, 6, 4, 5]), args: { groups: 3, silu: true } },
  { why: "more channels a group than a workgroup has threads", inputs: plain([2, 136, 3]), args: { groups: 2 } },
  { why: "no pixels: (B, C)", inputs: modulated([3, 16]), args: { groups: 4 } },
  {
    why: "a mean 100 times the spread",
    inputs: { ...plain([2, 8, 9, 9]), x: { shape: [2, 8, 9, 9], range: [99, 101] } },
    args: { groups: 2 },
    allowed: 3e-5,
    allowedGrad: 1e-4,
  },
  {
    why: "constant x: the variance is 0 and eps decides",
    inputs: { ...plain([1, 8, 4, 4]), x: { shape: [1, 8, 4, 4], range: [3, 3], grad: false } },
    args: { groups: 2 },
  },
  {
    why: "SiLU of large values does not overflow",
    inputs: { ...plain([1, 4, 4, 4]), w: { shape: [4], range: [80, 99] } },
    args: { groups: 1, silu: true },
  },
];

checkOp<GroupNormArgs>(
  "group_norm",
  ({ x, w, b, modulation }, { groups, ...options }) => groupNorm(x!, groups, w!, b!, { ...options, modulation }),
  (inputs, args) => reference.groupNorm(inputs as Parts, args),
  cases,
);

// Both results count: the gradient of the joined tensor goes on through the norm's rule, or through its own.
checkOp<{ groups: number; silu?: boolean; uses: "y" | "x" | "both" }>(
  "group_norm_pair",
  ({ a, b, w, bias }, { groups, silu, uses }) => {
    const { x, y } = groupNormPair([a!, b!], groups, w!, bias!, { silu: silu ?? false });
    return uses === "y" ? y : uses === "x" ? x : add(y, mul(x, x));
  },
  ({ a, b, w, bias }, { groups, silu, uses }) => {
    const x = cat([a!, b!], 1);
    const y = reference.groupNorm({ x, w: w!, b: bias! }, { groups, silu: silu ?? false });
    return uses === "y" ? y : uses === "x" ? x : map(y, (v, i) => v + x.data[i]! ** 2);
  },
  [
    {
      why: "a group lies in both tensors",
      inputs: { a: [2, 8, 3, 5], b: [2, 16, 3, 5], w: [24], bias: [24] },
      args: { groups: 4, silu: true, uses: "both" },
    },
    {
      why: "only the norm is used; the first tensor ends off a binding's start",
      inputs: { a: [3, 4, 7], b: [3, 8, 7], w: [12], bias: [12] },
      args: { groups: 3, uses: "y" },
    },
    {
      why: "only the joined tensor is used",
      inputs: { a: [1, 4, 6], b: [1, 4, 6], w: { shape: [8], grad: false }, bias: { shape: [8], grad: false } },
      args: { groups: 2, uses: "x" },
    },
    {
      why: "more channels a group than a workgroup has threads",
      inputs: { a: [1, 136, 3], b: [1, 8, 3], w: [144], bias: [144] },
      args: { groups: 1, silu: true, uses: "both" },
    },
    {
      why: "groups of more elements than a workgroup takes",
      inputs: { a: [1, 4, 65, 64], b: [1, 4, 65, 64], w: [8], bias: [8] },
      args: { groups: 1, uses: "both" },
    },
    {
      why: "channels that are no multiple of 4",
      inputs: { a: [2, 6, 5], b: [2, 3, 5], w: [9], bias: [9] },
      args: { groups: 3, uses: "both" },
    },
  ],
);

const turned: OpCase<GroupNormArgs>[] = [
  { why: "y lies in the other layout than x", inputs: plain([3, 24, 7]), args: { groups: 4, silu: true } },
];

checkOp<GroupNormArgs>(
  "group_norm, channels last",
  ({ x, w, b }, { groups, ...options }) => groupNorm(x!, groups, w!, b!, { ...options, layout: "channels_last" }),
  (inputs, args) => reference.groupNorm(inputs as Parts, args),
  turned,
);

// The second use's gradients are added to those of the first in its own kernel (tape.ts#Take).
checkOp<GroupNormArgs>(
  "group_norm, the same weights twice and x beside it",
  ({ x, w, b }, { groups }) => groupNorm(add(groupNorm(x!, groups, w!, b!), x!), groups, w!, b!),
  (inputs, args) => {
    const { x, w, b } = inputs as Parts;
    const inner = reference.groupNorm({ x, w, b }, args);
    return reference.groupNorm({ x: map(inner, (v, i) => v + x.data[i]!), w, b }, args);
  },
  [
    { why: "on GPUs a workgroup a group", inputs: plain([2, 12, 5, 4]), args: { groups: 3 } },
    { why: "in steps", inputs: plain([1, 4, 65, 64]), args: { groups: 1 }, allowedGrad: 1e-4 },
  ],
);
