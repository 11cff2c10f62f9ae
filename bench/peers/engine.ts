// What every engine is to the child that runs it.

import type { Task } from "./protocol.js";

export interface Engine {
  name: string;
  version: string;
  /** Makes inputs and weights, and runs nothing yet. */
  prepare(task: Task): Promise<Job>;
  /** Waits until the GPU has done all that was asked for. */
  idle(): Promise<void>;
}

export interface Job {
  /** One run, handed to the GPU; it need not be done yet. */
  run(): void | Promise<void>;
  /** Of the last run, in PyTorch's order; of a step, the losses of the first two. */
  result(): Promise<Float32Array>;
  drop(): void;
}
