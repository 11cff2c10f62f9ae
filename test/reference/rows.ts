// Applies a function of a row to every row along one dimension.

import { type Array64, array, count } from "./array.js";

export function alongDim(x: Array64, dim: number, f: (row: number[]) => number[]): Array64 {
  const d = dim < 0 ? dim + x.shape.length : dim;
  const cols = x.shape[d]!;
  const inner = count(x.shape.slice(d + 1));
  const y = array(x.shape);
  for (let r = 0; r < x.data.length / cols; r++) {
    const first = Math.floor(r / inner) * cols * inner + (r % inner);
    const row = Array.from({ length: cols }, (_, c) => x.data[first + c * inner]!);
    f(row).forEach((v, c) => {
      y.data[first + c * inner] = v;
    });
  }
  return y;
}
