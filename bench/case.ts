// What a benchmark is: one row of the table. bench/kernels/<stem>.bench.ts lists the rows of an op.

import type { Layout, Shape } from "../engine/tensor.js";
import { type Tensor, tensor } from "../engine/tensor.js";

/** Milliseconds, or a share of a ceiling, by software adapter. */
export type PerAdapter = Readonly<Record<"lavapipe" | "swiftshader", number>>;

/** The least a row may reach; floors.ts turns each form into a share of the ceiling. */
export type Floor =
  /** A share of the FMA ceiling. */
  | { share: PerAdapter }
  /** 0.7 of the rate of the row of that name: a gradient against its forward. */
  | { rateOf: string }
  /** Half of what the reference kernels of docs/kernels.md reached, relative to their elementwise copy: their milliseconds. */
  | { reached: PerAdapter };

export interface Case {
  name: string;
  /** On a ladder: what this rung does that the one below does not. */
  why?: string;
  /** Floating-point operations of one run (a multiply-add is 2), or bytes that it moves. */
  work: { flops: number } | { bytes: number };
  floor?: Floor;
  /** One run, in a scope of its own; returns what it made. */
  run(): Tensor;
  /** Some elements of that, and what they should be, in float64. */
  check(y: Tensor): Promise<Pair[]>;
  /** max|got - want| / max|want| allowed. */
  allowed: number;
}

export type Pair = readonly [got: number, want: number];

/** The rows of one op; `make` runs in a scope that lives as long as they are measured. */
export interface Group {
  stem: string;
  make(): Case[];
}

/** max|got - want| / max|want|. */
export function worst(pairs: readonly Pair[]): number {
  const size = Math.max(...pairs.map(([, want]) => Math.abs(want)), Number.MIN_VALUE);
  const error = Math.max(...pairs.map(([got, want]) => Math.abs(got - want)));
  return Number.isFinite(error) ? error / size : Number.POSITIVE_INFINITY;
}

/** n numbers in +-0.5, the same for the same seed: an integer hash, since 10 million must not take a second. */
export function values(n: number, seed: number): Float32Array {
  const out = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const h = Math.imul(i + Math.imul(seed + 1, 0x9e3779b1), 0x85ebca6b);
    out[i] = ((Math.imul(h ^ (h >>> 15), 0xc2b2ae35) >>> 8) & 0xffffff) / 2 ** 24 - 0.5;
  }
  return out;
}

/** A tensor and its values in PyTorch's order. */
export interface Filled {
  t: Tensor;
  v: Float32Array;
}

export function filled(shape: Shape, seed: number, layout: Layout = "plain"): Filled {
  const v = values(
    shape.reduce((a, b) => a * b, 1),
    seed,
  );
  return { t: tensor(v, shape, "f32", layout), v };
}

/** `count` indices below n: the first, the last, and some between that share no factor with a tile. */
export const places = (n: number, count = 24): number[] =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? n - 1 : Math.floor((i * (n - 1)) / (count - 0.37))));
