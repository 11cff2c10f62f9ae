// Float64 twin of engine/ops/binary.ts.

import { type Array64, array, strides } from "./array.js";

/** f(a, b) with PyTorch's broadcasting. */
const binary =
  (f: (a: number, b: number) => number) =>
  (a: Array64, b: Array64): Array64 => {
    const rank = Math.max(a.shape.length, b.shape.length);
    const sizesOf = (x: Array64) => [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
    const [m, n] = [sizesOf(a), sizesOf(b)];
    const shape = m.map((size, d) => Math.max(size, n[d]!));
    const steps = strides(shape);
    const at = (e: number, sizes: number[]) =>
      strides(sizes).reduce(
        (sum, step, d) => sum + (sizes[d] === 1 ? 0 : (Math.floor(e / steps[d]!) % shape[d]!) * step),
        0,
      );
    return array(shape, (e) => f(a.data[at(e, m)]!, b.data[at(e, n)]!));
  };

export const add = binary((a, b) => a + b);
export const sub = binary((a, b) => a - b);
export const mul = binary((a, b) => a * b);
export const div = binary((a, b) => a / b);
