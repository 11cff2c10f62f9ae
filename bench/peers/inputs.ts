// Inputs and weights: numbers that are a function of a name, so that every engine makes the same ones by itself and none has
// to be carried between processes. pytorch.py has the same functions.

import type { Module } from "../../engine/nn.js";
import { hashed, paramValue } from "../../test/golden.js";
import type { Task } from "./protocol.js";

/** Float32 in [-1, 1), in PyTorch's order. */
export const input = (name: string, shape: readonly number[]): Float32Array<ArrayBuffer> =>
  hashed(`peers/${name}`, shape);

/** A parameter by its key in the state dict, scaled to its fan-in. */
export const weight = (key: string, shape: readonly number[]): Float32Array<ArrayBuffer> =>
  paramValue(`peers/${key}`, shape);

/** `net` with those weights. */
export function filled<N extends Module>(net: N): N {
  for (const [key, parameter] of net.entries()) parameter.write(weight(key, parameter.shape));
  return net;
}

/** Row i of a batch is of class i, and the classes start again where they end. */
export const labels = (B: number, classes: number): Uint32Array<ArrayBuffer> =>
  Uint32Array.from({ length: B }, (_, i) => i % classes);

/** Rows with a 1 at their label. */
export function oneHot(B: number, classes: number): Float32Array<ArrayBuffer> {
  const hot = new Float32Array(B * classes);
  labels(B, classes).forEach((label, b) => {
    hot[b * classes + label] = 1;
  });
  return hot;
}

/** The time steps of a batch. */
export const timeSteps = (B: number): number[] => Array.from({ length: B }, (_, i) => (37 * i + 500) % 1000);

/** What an engine says of a task that it does not have. */
export class NotThere extends Error {
  constructor(task: Task, engine: string) {
    super(`${engine} has no ${task.op} here`);
  }
}
