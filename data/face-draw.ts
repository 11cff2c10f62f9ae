// Small helpers to draw a face's numbers: ranges, choices, colours, and the packing of a record for the GPU.

import type { Rng } from "../engine/random.js";

export type Color = [number, number, number];

/** Values by field name, in the order of `struct Face` (shaders/common/face_struct.wgsl). */
export type Fields = Record<string, number | Color>;

export const mix = (a: number, b: number, t: number): number => a + (b - a) * t;
export const clamp = (x: number, lo: number, hi: number): number => Math.min(Math.max(x, lo), hi);
export const mixColor = (a: Color, b: Color, t: number): Color => [
  mix(a[0], b[0], t),
  mix(a[1], b[1], t),
  mix(a[2], b[2], t),
];
export const scale = (c: Color, s: number): Color => [c[0] * s, c[1] * s, c[2] * s];

/** Normal with this mean and deviation, cut at 2.2 deviations: no monsters. */
export const about = (rng: Rng, mean: number, deviation: number): number =>
  mean + deviation * clamp(rng.normal(), -2.2, 2.2);

export const between = (rng: Rng, lo: number, hi: number): number => mix(lo, hi, rng.uniform());
export const chance = (rng: Rng, p: number): boolean => rng.uniform() < p;

/** One of the choices; their weights need not sum to 1. */
export function pick<T>(rng: Rng, choices: readonly (readonly [weight: number, value: T])[]): T {
  let left = rng.uniform() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  return choices.at(-1)![1];
}

/** "#rrggbb" (sRGB) as linear RGB. */
export function hex(text: string): Color {
  const channel = (at: number) => {
    const s = Number.parseInt(text.slice(at, at + 2), 16) / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

/** Hue in turns, saturation, value (HSV, linear RGB). */
export function hsv(hue: number, saturation: number, value: number): Color {
  const channel = (n: number) => {
    const k = (n + hue * 6) % 6;
    return value * (1 - saturation * clamp(Math.min(k, 4 - k), 0, 1));
  };
  return [channel(5), channel(3), channel(1)];
}

/** The values one after the other. */
export const pack = (fields: Fields): Float32Array => Float32Array.from(Object.values(fields).flat());

/** Where each field starts, counted in floats. */
export function offsets(fields: Fields): ReadonlyMap<string, number> {
  const map = new Map<string, number>();
  let at = 0;
  for (const [name, value] of Object.entries(fields)) {
    map.set(name, at);
    at += typeof value === "number" ? 1 : 3;
  }
  return map;
}
