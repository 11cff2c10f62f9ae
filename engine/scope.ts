// scope frees: every tensor made inside is disposed when its function ends, but for what it returns or keeps.

import type { Tensor } from "./tensor.js";

/** What an open scope frees. */
export type Frame = Set<Tensor>;

/** The open scopes, the innermost last. */
const frames: Frame[] = [];

/** Called by the Tensor constructor. Outside of every scope a tensor lives until it is disposed. */
export function register(tensor: Tensor): void {
  move(tensor, frames.at(-1));
}

/** Called by Tensor.dispose(). */
export function forget(tensor: Tensor): void {
  tensor.frame?.delete(tensor);
  tensor.frame = undefined;
}

function move(tensor: Tensor, frame: Frame | undefined): void {
  tensor.frame = frame;
  frame?.add(tensor);
}

/**
 * Runs `work` and disposes every tensor made in it, except those it returns (alone, in an array or in a plain object), which
 * pass to the scope around. Works for async functions too, one at a time.
 */
export function scope<T>(work: () => T): T {
  const frame: Frame = new Set();
  frames.push(frame);
  let result: T | undefined;
  try {
    result = work();
    return result instanceof Promise ? (closedAfter(result, frame) as T) : result;
  } finally {
    if (!(result instanceof Promise)) close(frame, result);
  }
}

async function closedAfter<T>(work: Promise<T>, frame: Frame): Promise<T> {
  let result: T | undefined;
  try {
    result = await work;
    return result;
  } finally {
    close(frame, result);
  }
}

/** Takes a tensor out of every scope: it lives until its dispose(). */
export function keep<T extends Tensor>(tensor: T): T {
  forget(tensor);
  return tensor;
}

function close(frame: Frame, result: unknown): void {
  frames.splice(frames.lastIndexOf(frame), 1);
  const parent = frames.at(-1);
  const returned = new Set<Tensor>();
  collect(result, returned);
  for (const tensor of frame) {
    if (!returned.has(tensor)) tensor.dispose();
    else move(tensor, parent);
  }
}

function collect(value: unknown, into: Set<Tensor>): void {
  if (value === null || typeof value !== "object") return;
  if (isTensor(value)) into.add(value);
  else if (Array.isArray(value) || value instanceof Map) for (const item of value.values()) collect(item, into);
  else if (Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) collect(item, into);
}

const isTensor = (value: object): value is Tensor => "storage" in value && "dispose" in value;
