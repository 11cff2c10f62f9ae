// Float64 twin of engine/ops/pool.ts.

import { type Array64, array } from "./array.js";

export interface PoolArgs {
  kernel: number;
  stride: number;
  padding?: number;
}

/** `reduce` of the values inside the image under every window. */
function pool(x: Array64, { kernel, stride, padding = 0 }: PoolArgs, reduce: (values: number[]) => number): Array64 {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [oh, ow] = [height, width].map((n) => Math.floor((n + 2 * padding - kernel) / stride) + 1) as [number, number];
  return array([batch, channels, oh, ow], (e) => {
    const plane = Math.floor(e / (oh * ow)) * height * width;
    const values: number[] = [];
    for (let ky = 0; ky < kernel; ky++) {
      for (let kx = 0; kx < kernel; kx++) {
        const iy = (Math.floor(e / ow) % oh) * stride - padding + ky;
        const ix = (e % ow) * stride - padding + kx;
        if (iy >= 0 && iy < height && ix >= 0 && ix < width) values.push(x.data[plane + iy * width + ix]!);
      }
    }
    return reduce(values);
  });
}

export const maxPool2d = (x: Array64, args: PoolArgs): Array64 => pool(x, args, (v) => Math.max(...v));
export const avgPool2d = (x: Array64, args: PoolArgs): Array64 =>
  pool(x, args, (v) => v.reduce((a, b) => a + b, 0) / args.kernel ** 2);
