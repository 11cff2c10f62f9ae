import { l1, mse } from "../../engine/ops/loss.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/loss.js";

const cases = [
  { why: "fewer elements than a vec4", inputs: { a: [3], b: [3] } },
  { why: "images in both layouts", inputs: { a: [2, 8, 5, 5], b: [2, 8, 5, 5] } },
  { why: "more vec4's than threads, an odd number", inputs: { a: [70_003], b: [70_003] } },
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
