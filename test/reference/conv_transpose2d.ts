// float64 twin of engine/ops/conv_transpose2d.ts, by scattering: every element of x adds a weighted kernel to y.

import { type Array64, array } from "./array.js";
import { type ConvArgs, sides } from "./conv2d.js";

/** x (B, I, H, W), w (I, O, kh, kw), bias (O). */
export function convTranspose2d(
  x: Array64,
  w: Array64,
  bias?: Array64,
  { stride = 1, padding = 0 }: ConvArgs = {},
): Array64 {
  const [B, I, H, W] = x.shape as [number, number, number, number];
  const [, O, kh, kw] = w.shape as [number, number, number, number];
  const [top, left, bottom, right] = sides(padding) as [number, number, number, number];
  const Hy = (H - 1) * stride + kh - top - bottom;
  const Wy = (W - 1) * stride + kw - left - right;
  const y = array([B, O, Hy, Wy], (i) => (bias ? bias.data[Math.floor(i / (Hy * Wy)) % O]! : 0));
  x.data.forEach((value, i) => {
    const [b, c, row, col] = [Math.floor(i / (I * H * W)), Math.floor(i / (H * W)) % I, Math.floor(i / W) % H, i % W];
    for (let o = 0; o < O; o++) {
      for (let u = 0; u < kh; u++) {
        for (let v = 0; v < kw; v++) {
          const [r, q] = [row * stride - top + u, col * stride - left + v];
          if (r < 0 || r >= Hy || q < 0 || q >= Wy) continue;
          y.data[((b * O + o) * Hy + r) * Wy + q]! += value * w.data[((c * O + o) * kh + u) * kw + v]!;
        }
      }
    }
  });
  return y;
}
