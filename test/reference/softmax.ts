// Float64 twin of engine/ops/softmax.ts.

import type { Array64 } from "./array.js";
import { alongDim } from "./rows.js";

export const softmax = (x: Array64, dim = -1): Array64 =>
  alongDim(x, dim, (row) => {
    const m = row.reduce((a, b) => Math.max(a, b));
    const e = row.map((v) => Math.exp(v - m));
    const s = e.reduce((a, b) => a + b);
    return e.map((v) => v / s);
  });
