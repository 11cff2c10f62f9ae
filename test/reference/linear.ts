// float64 twin of engine/ops/linear.ts.

import { type Array64, array, count } from "./array.js";

/** x (B, C, ...), w (O, C, 1s), bias (O). */
export function linearChannels(x: Array64, w: Array64, bias?: Array64): Array64 {
  const [B, C] = x.shape as [number, number];
  const O = w.shape[0]!;
  const P = count(x.shape.slice(2));
  return array([B, O, ...x.shape.slice(2)], (i) => {
    const [b, o, p] = [Math.floor(i / (O * P)), Math.floor(i / P) % O, i % P];
    let s = bias ? bias.data[o]! : 0;
    for (let c = 0; c < C; c++) s += w.data[o * C + c]! * x.data[(b * C + c) * P + p]!;
    return s;
  });
}

/** Layer h of `heads` on channels h I .. (h + 1) I of x, the layers' results behind each other in dimension 0. */
export function linearEach(x: Array64, w: Array64, bias: Array64, heads: number): Array64 {
  const [B, I, O] = [x.shape[0]!, x.shape[1]! / heads, w.shape[0]! / heads];
  const P = count(x.shape.slice(2));
  return array([heads * B, O, ...x.shape.slice(2)], (i) => {
    const [row, o, p] = [Math.floor(i / (O * P)), Math.floor(i / P) % O, i % P];
    const [h, b] = [Math.floor(row / B), row % B];
    let s = bias.data[h * O + o]!;
    for (let c = 0; c < I; c++) s += w.data[(h * O + o) * I + c]! * x.data[(b * heads * I + h * I + c) * P + p]!;
    return s;
  });
}
