// Float64 twin of engine/ops/l2_normalize.ts.

import type { Array64 } from "./array.js";
import { alongDim } from "./rows.js";

export const l2Normalize = (x: Array64, dim = -1, eps = 1e-12): Array64 =>
  alongDim(x, dim, (row) => {
    const n = Math.max(Math.sqrt(row.reduce((a, v) => a + v * v, 0)), eps);
    return row.map((v) => v / n);
  });
