import { l1, mse } from "../../engine/ops/loss.js";
import { checkOp, WHOLE } from "../check-op.js";
import * as reference from "../reference/loss.js";

const cases = [
  { why: "fewer elements than a vec4", inputs: { a: [3], b: [3] } },
  { why: "one element in the last vec4", inputs: { a: [5], b: [5] } },
  { why: "two elements in the last vec4", inputs: { a: [6], b: [6] } },
  { why: "whole vec4's", inputs: { a: [8], b: [8] } },
  { why: "workgroups of threads, all full", inputs: { a: [1280], b: [1280] } },
  { why: "several workgroups of the gradient, to a multiple of 64 bytes", inputs: { a: [WHOLE], b: [WHOLE] } },
  { why: "images in both layouts", inputs: { a: [2, 8, 5, 5], b: [2, 8, 5, 5] } },
  { why: "more vec4's than threads, an odd number", inputs: { a: [17_003], b: [17_003] } },
  {
    why: "a small difference of large numbers",
    inputs: { a: { shape: [500], range: [100, 101] }, b: { shape: [500], range: [102, 103] } },
  },
] as const;

checkOp(
  "mse",
  ({ a, b }) => mse(a!, b!),
  ({ a, b }) => reference.mse(a!, b!),
  cases,
);
checkOp(
  "l1",
  ({ a, b }) => l1(a!, b!),
  ({ a, b }) => reference.l1(a!, b!),
  cases,
);
