// Float64 twin of engine/ops/unary.ts.

import { type Array64, map } from "./array.js";

const each =
  (f: (x: number) => number) =>
  (x: Array64): Array64 =>
    map(x, f);

/** erf by its Taylor series, 2/sqrt(pi) sum (-1)^k x^(2k+1) / (k! (2k+1)): exact to 1e-9 where |x| < 4, 1 beyond. */
export function erfOf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x) * (1 - erfcTail(Math.abs(x)));
  let term = x;
  let sum = x;
  for (let k = 1; k < 120; k++) {
    term *= (-x * x) / k;
    sum += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** erfc for x > 4: the first terms of its asymptotic series. */
const erfcTail = (x: number): number =>
  (Math.exp(-x * x) / (x * Math.sqrt(Math.PI))) * (1 - 1 / (2 * x * x) + 3 / (4 * x ** 4));

const sigmoidOf = (x: number) => 1 / (1 + Math.exp(-x));

export const affine = (x: Array64, scale: number, shift = 0): Array64 => map(x, (v) => scale * v + shift);
export const exp = each(Math.exp);
export const log = each(Math.log);
export const sqrt = each(Math.sqrt);
export const rsqrt = each((x) => 1 / Math.sqrt(x));
export const square = each((x) => x * x);
export const abs = each(Math.abs);
export const sin = each(Math.sin);
export const cos = each(Math.cos);
export const acos = each(Math.acos);
export const tanh = each(Math.tanh);
export const sigmoid = each(sigmoidOf);
export const relu = each((x) => (x > 0 ? x : 0));
export const silu = each((x) => x * sigmoidOf(x));
export const gelu = each((x) => 0.5 * x * (1 + erfOf(x / Math.SQRT2)));
export const leakyRelu = (x: Array64, slope: number): Array64 => map(x, (v) => (v > 0 ? v : slope * v));
export const clamp = (x: Array64, lo: number, hi: number): Array64 => map(x, (v) => Math.min(Math.max(v, lo), hi));
export const pow = (x: Array64, p: number): Array64 => map(x, (v) => v ** p);
