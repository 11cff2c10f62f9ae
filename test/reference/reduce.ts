// Float64 twin of engine/ops/reduce.ts.

import { type Array64, array, count, strides } from "./array.js";

export interface ReduceArgs {
  dims?: number | readonly number[];
  keepdim?: boolean;
}

/** For every element of the result, the values it is made of, in row-major order. */
export function gather(x: Array64, { dims, keepdim = false }: ReduceArgs): { shape: number[]; values: number[][] } {
  const rank = x.shape.length;
  const reduced = new Set(dims === undefined ? x.shape.keys() : [dims].flat().map((d) => (d < 0 ? d + rank : d)));
  const kept = x.shape.map((n, i) => (reduced.has(i) ? 1 : n));
  const shape = keepdim ? kept : kept.filter((_, i) => !reduced.has(i));
  const values: number[][] = Array.from({ length: count(kept) }, () => []);
  const [from, to] = [strides(x.shape), strides(kept)];
  for (let e = 0; e < x.data.length; e++) {
    let at = 0;
    for (let d = 0; d < rank; d++) if (!reduced.has(d)) at += (Math.floor(e / from[d]!) % x.shape[d]!) * to[d]!;
    values[at]!.push(x.data[e]!);
  }
  return { shape: shape.length ? shape : [1], values };
}

const reduce =
  (f: (values: number[]) => number) =>
  (x: Array64, args: ReduceArgs): Array64 => {
    const { shape, values } = gather(x, args);
    return array(shape, (i) => f(values[i]!));
  };

const total = (v: number[]) => v.reduce((a, b) => a + b, 0);
const spread = (v: number[], less: number) => total(v.map((a) => (a - total(v) / v.length) ** 2)) / (v.length - less);

export const sum = reduce(total);
export const mean = reduce((v) => total(v) / v.length);
export const max = reduce((v) => v.reduce((a, b) => Math.max(a, b)));
export const variance = (x: Array64, args: ReduceArgs & { unbiased?: boolean }): Array64 =>
  reduce((v) => spread(v, args.unbiased === false ? 0 : 1))(x, args);
export const std = (x: Array64, args: ReduceArgs & { unbiased?: boolean }): Array64 =>
  reduce((v) => Math.sqrt(spread(v, args.unbiased === false ? 0 : 1)))(x, args);

/** The sum over the dimensions that `shape` has as 1 or not at all. */
export function sumTo(x: Array64, shape: readonly number[]): Array64 {
  const wanted = [...new Array<number>(x.shape.length - shape.length).fill(1), ...shape];
  const dims = wanted.flatMap((n, i) => (n === x.shape[i] ? [] : [i]));
  return { shape, data: sum(x, { dims, keepdim: true }).data };
}
