// What parent and children say to each other, a line of JSON each: the parent asks, the child answers once.
//
//   parent   { do: "prepare", task }   { do: "check" }   { do: "run" }   { do: "drop" }     the end of its input ends the child
//   child    Hello, once it can work; Prepared; Checked; Ran; {}; or { error } in the place of any of them
//
// pytorch.py speaks the same.

import type { Device } from "../../engine/device.js";
import { places } from "../case.js";

/** One piece of work, the same for every engine. Inputs and weights are functions of their names (inputs.ts). */
export type Task =
  | { op: "matmul"; n: number }
  /** 3x3, stride 1, padding 1. */
  | { op: "conv"; B: number; I: number; O: number; side: number }
  /** softmax(q k^T / sqrt(D)) v; q, k, v are (heads, L, D). */
  | { op: "attention"; heads: number; L: number; D: number }
  | { op: "softmax"; rows: number; cols: number }
  | { op: "groupNorm"; B: number; C: number; side: number; groups: number }
  /** Updates of n parameters from a gradient that stays. */
  | { op: "adam"; n: number }
  | { op: "unet"; size: Size; B: number; steps: boolean }
  /** Codes to an image. */
  | { op: "decode"; size: Size; side: number }
  | { op: "ir"; net: IrName; B: number }
  | { op: "irStep"; net: IrName; B: number; classes: number; head: "linear" | "arcface" }
  | { op: "smallStep"; B: number; side: number };

export type Size = "paper" | "tiny";
export type IrName = "ir_18" | "ir_50";

/** Of the training steps. */
export const rates = { adam: 1e-2, unet: 1e-4, small: 1e-3, ir: 1e-4, momentum: 0.9 };

/** Runs before the result is looked at: two updates, so that the second loss tells whether the first update was right. */
export const runsBefore = (task: Task): number => (isStep(task) ? 2 : 1);

export const isStep = (task: Task): boolean =>
  task.op === "smallStep" || task.op === "irStep" || (task.op === "unet" && task.steps);

export type Request = { do: "prepare"; task: Task } | { do: "check" } | { do: "run" } | { do: "drop" };

/** Once a child can work. */
export interface Hello {
  name: string;
  version: string;
  /** What it runs on. */
  adapter: string;
  /** Of the WebGPU adapter, said by ours. */
  kind?: Device["kind"];
}

export interface Prepared {
  /** Milliseconds of the first run, with everything that is compiled. */
  firstMs: number;
}

export interface Checked {
  /** Milliseconds of the last run before the rounds. */
  ms: number;
  sample: Sample;
}

export interface Ran {
  /** Of one run, the mean of as many as fill some milliseconds. */
  ms: number;
}

/** A result, or the losses of a step: some of its numbers and the length of all. */
export interface Sample {
  size: number;
  /** Float32, base64. */
  values: string;
  /** sqrt(sum of squares) */
  norm: number;
}

/** Numbers of a large result that are compared. */
const ENOUGH = 4096;

export function sampleOf(result: Float32Array): Sample {
  const at = result.length <= ENOUGH ? [...result.keys()] : places(result.length, ENOUGH);
  const values = Float32Array.from(at, (i) => result[i]!);
  return {
    size: result.length,
    values: Buffer.from(values.buffer).toString("base64"),
    norm: Math.sqrt(result.reduce((sum, v) => sum + v * v, 0)),
  };
}

const valuesOf = ({ values }: Sample): Float32Array =>
  new Float32Array(new Uint8Array(Buffer.from(values, "base64")).buffer);

/**
 * How far `got` is from `want`: max |a - b| / max |b| of the numbers sent, and the difference of the lengths. Of a step the
 * first loss, and the drop to the second one, each against itself: the drop is a small part of the loss.
 */
export function errorOf(task: Task, got: Sample, want: Sample): number {
  if (got.size !== want.size) return Number.POSITIVE_INFINITY;
  const [a, b] = [valuesOf(got), valuesOf(want)];
  if (isStep(task)) return Math.max(relative(a.subarray(0, 1), b), relative([a[0]! - a[1]!], [b[0]! - b[1]!]));
  return Math.max(relative(a, b), relative([got.norm], [want.norm]));
}

/** NaN is infinitely far. */
function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, scale] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return worst === 0 ? 0 : worst / scale;
}
