// Float64 twin of engine/ops/batch_norm.ts.

import { type Array64, count, map } from "./array.js";

export interface BatchNormArgs {
  training: boolean;
  eps?: number;
}

/** The mean of each channel of x (B, C, ...) and the variance over n - less. */
export function channelStatistics(x: Array64, less: number): { mean: number; variance: number }[] {
  const channels = x.shape[1]!;
  const pixels = count(x.shape.slice(2));
  const values: number[][] = Array.from({ length: channels }, () => []);
  x.data.forEach((v, i) => {
    values[Math.floor(i / pixels) % channels]!.push(v);
  });
  return values.map((v) => {
    const mean = v.reduce((a, b) => a + b, 0) / v.length;
    return { mean, variance: v.reduce((a, b) => a + (b - mean) ** 2, 0) / (v.length - less) };
  });
}

/** w, b: (C) or neither; mean, variance: (C), used in eval mode. */
export function batchNorm(
  {
    x,
    w,
    b,
    mean,
    variance,
  }: {
    x: Array64;
    w?: Array64 | undefined;
    b?: Array64 | undefined;
    mean?: Array64 | undefined;
    variance?: Array64 | undefined;
  },
  { training, eps = 1e-5 }: BatchNormArgs,
): Array64 {
  const channels = x.shape[1]!;
  const pixels = count(x.shape.slice(2));
  const statistics = training
    ? channelStatistics(x, 0)
    : Array.from({ length: channels }, (_, c) => ({ mean: mean!.data[c]!, variance: variance!.data[c]! }));
  return map(x, (v, i) => {
    const c = Math.floor(i / pixels) % channels;
    const xhat = (v - statistics[c]!.mean) / Math.sqrt(statistics[c]!.variance + eps);
    return w && b ? xhat * w.data[c]! + b.data[c]! : xhat;
  });
}
