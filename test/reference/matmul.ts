// float64 twins of engine/ops/matmul.ts.

import { type Array64, array, count } from "./array.js";

/** alpha a b, or alpha a b^T: a (..., M, K), b (..., K, N) or (K, N), transposed (N, K). */
export function matmul(a: Array64, b: Array64, transposeB = false, alpha = 1): Array64 {
  const K = a.shape.at(-1)!;
  const N = b.shape.at(transposeB ? -2 : -1)!;
  const M = b.shape.length > 2 ? a.shape.at(-2)! : count(a.shape) / K; // rows that one matrix of b serves
  return array([...a.shape.slice(0, -1), N], (i) => {
    const row = Math.floor(i / N);
    const c = i % N;
    const first = Math.floor(row / M) * K * N;
    let s = 0;
    for (let k = 0; k < K; k++) s += a.data[row * K + k]! * b.data[first + (transposeB ? c * K + k : k * N + c)]!;
    return alpha * s;
  });
}

/** x weight^T + bias. */
export function linear(x: Array64, weight: Array64, bias?: Array64): Array64 {
  const y = matmul(x, weight, true);
  const N = weight.shape[0]!;
  return array(y.shape, (i) => y.data[i]! + (bias ? bias.data[i % N]! : 0));
}
