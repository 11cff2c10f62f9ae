// How a normalisation's x lies in memory, and how much of it a thread does: the plan of group_norm.ts and batch_norm.ts.

import { device } from "../device.js";
import { bindable } from "../parts.js";
import { planes, type Tensor } from "../tensor.js";

/** How x lies: `items` of `pixels` times `units` of T, by strides in T. */
export interface Memory {
  T: "vec4f" | "f32";
  items: number;
  pixels: number;
  units: number;
  pixel_stride: number;
  unit_stride: number;
}

/** One normalisation: x, the groups that share statistics (batch x groups of them), and the affine map's tensors. */
export interface Norm {
  x: Tensor;
  memory: Memory;
  /** Items with statistics of their own: B, or 1 for batch norm. */
  batch: number;
  groups: number;
  eps: number;
  silu: boolean;
  w?: Tensor | undefined;
  bias?: Tensor | undefined;
  modulation?: Tensor | undefined;
}

/** Mean and variance of each group (batch, groups, 2), and the map (batch, 3, C) of a, s and the mean. */
export interface Found {
  stats: Tensor;
  affine: Tensor;
}

/** `fold`: the items need not be told apart, so they become pixels of one where memory allows. */
export function memoryOf(x: Tensor, fold: boolean): Memory {
  const { batch, channels, pixels } = planes(x.shape);
  const last = x.layout === "channels_last" || pixels === 1; // channels lie innermost
  const T = last && channels % 4 === 0 ? "vec4f" : "f32";
  const units = T === "f32" ? channels : channels / 4;
  if (!last) return { T, items: batch, pixels, units, pixel_stride: 1, unit_stride: pixels };
  const [items, inItem] = fold && bindable([x]) ? [1, batch * pixels] : [batch, pixels];
  return { T, items, pixels: inItem, units, pixel_stride: units, unit_stride: 1 };
}

/** Chunks of pixels: enough threads for the device, at least 8 pixels each. 3,072 threads are 8 chunks at 8 x 192 x 16 x 16. */
export function chunksOf({ items, pixels, units }: Memory): { chunks: number; run: number; workgroup: number } {
  const { tuning, family } = device();
  const { threads, chunks: most, workgroup } = tuning[family].norm;
  const wanted = Math.ceil(threads / Math.max(items * units, 1));
  const run = Math.max(8, Math.ceil(pixels / Math.min(wanted, most)));
  return { chunks: Math.max(1, Math.ceil(pixels / run)), run, workgroup };
}

/** A launch over x with PIXELS pixels a thread. */
export function perPixel({ items, pixels, units }: Memory, constants: { T: string; SILU: boolean }) {
  const { tuning, family } = device();
  const PIXELS = tuning[family].norm.pixels;
  return {
    workgroups: Math.ceil((items * units * Math.ceil(pixels / PIXELS)) / 64),
    constants: { ...constants, PIXELS },
  };
}
