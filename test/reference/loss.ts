// Float64 twin of engine/ops/loss.ts.

import { type Array64, array } from "./array.js";

const mean =
  (f: (d: number) => number) =>
  (a: Array64, b: Array64): Array64 =>
    array([1], () => a.data.reduce((sum, value, i) => sum + f(value - b.data[i]!), 0) / a.data.length);

export const mse = mean((d) => d * d);
export const l1 = mean(Math.abs);
