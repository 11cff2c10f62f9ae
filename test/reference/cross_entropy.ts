// Float64 twin of engine/ops/cross_entropy.ts.

import { type Array64, array } from "./array.js";

export function crossEntropy(x: Array64, labels: Array64, smoothing = 0): Array64 {
  const [rows, cols] = x.shape as [number, number];
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    const row = Array.from(x.data.subarray(r * cols, (r + 1) * cols));
    const m = row.reduce((a, b) => Math.max(a, b));
    const lse = m + Math.log(row.reduce((a, v) => a + Math.exp(v - m), 0));
    const mean = row.reduce((a, v) => a + v, 0) / cols;
    sum += lse - (1 - smoothing) * row[labels.data[r]!]! - smoothing * mean;
  }
  return array([1], () => sum / rows);
}
