// float64 twin of engine/ops/conv2d.ts.

import { type Array64, array } from "./array.js";

export interface ConvArgs {
  stride?: number;
  padding?: number | readonly [number, number] | readonly [number, number, number, number];
}

/** Top, left, bottom, right. */
export function sides(padding: NonNullable<ConvArgs["padding"]>): number[] {
  if (typeof padding === "number") return [padding, padding, padding, padding];
  return padding.length === 4 ? [...padding] : [padding[0], padding[1], padding[0], padding[1]];
}

/** x (B, I, H, W), w (O, I, kh, kw), bias (O). */
export function conv2d(x: Array64, w: Array64, bias?: Array64, { stride = 1, padding = 0 }: ConvArgs = {}): Array64 {
  const [B, I, H, W] = x.shape as [number, number, number, number];
  const [O, , kh, kw] = w.shape as [number, number, number, number];
  const [top, left, bottom, right] = sides(padding) as [number, number, number, number];
  const Hy = Math.floor((H + top + bottom - kh) / stride) + 1;
  const Wy = Math.floor((W + left + right - kw) / stride) + 1;
  return array([B, O, Hy, Wy], (i) => {
    const [row, col] = [Math.floor(i / Wy) % Hy, i % Wy];
    const [b, o] = [Math.floor(i / (O * Hy * Wy)), Math.floor(i / (Hy * Wy)) % O];
    let s = bias ? bias.data[o]! : 0;
    for (let c = 0; c < I; c++) {
      for (let u = 0; u < kh; u++) {
        for (let v = 0; v < kw; v++) {
          const [r, q] = [row * stride - top + u, col * stride - left + v];
          if (r < 0 || r >= H || q < 0 || q >= W) continue;
          s += w.data[((o * I + c) * kh + u) * kw + v]! * x.data[((b * I + c) * H + r) * W + q]!;
        }
      }
    }
    return s;
  });
}
