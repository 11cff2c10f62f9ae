// Float64 twin of engine/ops/layer_norm.ts.

import type { Array64 } from "./array.js";
import { alongDim } from "./rows.js";

export const layerNorm = (x: Array64, w: Array64, b: Array64, eps = 1e-5): Array64 =>
  alongDim(x, -1, (row) => {
    const mean = row.reduce((a, v) => a + v, 0) / row.length;
    const variance = row.reduce((a, v) => a + (v - mean) ** 2, 0) / row.length;
    return row.map((v, c) => ((v - mean) / Math.sqrt(variance + eps)) * w.data[c]! + b.data[c]!);
  });
