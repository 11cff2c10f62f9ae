// Float64 twin of engine/ops/interpolate.ts.

import { type Array64, array } from "./array.js";

export function bilinear(x: Array64, [oh, ow]: readonly [number, number]): Array64 {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const place = (o: number, size: number, out: number) => {
    const s = Math.min(Math.max(((o + 0.5) * size) / out - 0.5, 0), size - 1);
    return { low: Math.floor(s), high: Math.min(Math.floor(s) + 1, size - 1), f: s - Math.floor(s) };
  };
  return array([batch, channels, oh, ow], (e) => {
    const plane = Math.floor(e / (oh * ow)) * height * width;
    const y = place(Math.floor(e / ow) % oh, height, oh);
    const at = place(e % ow, width, ow);
    const row = (iy: number) =>
      x.data[plane + iy * width + at.low]! * (1 - at.f) + x.data[plane + iy * width + at.high]! * at.f;
    return row(y.low) * (1 - y.f) + row(y.high) * y.f;
  });
}

export function upsampleNearest2(x: Array64): Array64 {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return array([batch, channels, 2 * height, 2 * width], (e) => {
    const plane = Math.floor(e / (4 * height * width));
    const [iy, ix] = [Math.floor(e / (2 * width)) % (2 * height), e % (2 * width)].map((o) => Math.floor(o / 2)) as [
      number,
      number,
    ];
    return x.data[(plane * height + iy) * width + ix]!;
  });
}
