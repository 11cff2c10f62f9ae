// scope frees: every tensor made inside is disposed when its function ends, but for what it returns or keeps.

import type { Tensor } from "./tensor.js";

interface Frame {
  tensors: Set<Tensor>;
}

const frames: Frame[] = [];

/** Called by the Tensor constructor. Outside of every scope a tensor lives until it is disposed. */
export function register(tensor: Tensor): void {
  frames.at(-1)?.tensors.add(tensor);
}

/** Called by Tensor.dispose(). */
export function forget(tensor: Tensor): void {
  for (const frame of frames) frame.tensors.delete(tensor);
}

/**
 * Runs `work` and disposes every tensor made in it, except those it returns (alone, in an array or in a plain object), which
 * pass to the scope around. Works for async functions too, one at a time.
 */
export function scope<T>(work: () => T): T {
  const frame: Frame = { tensors: new Set() };
  frames.push(frame);
  let result: T;
  try {
    result = work();
  } catch (error) {
    close(frame, undefined);
    throw error;
  }
  if (result instanceof Promise) {
    return result.then(
      (value) => {
        close(frame, value);
        return value;
      },
      (error) => {
        close(frame, undefined);
        throw error;
      },
    ) as T;
  }
  close(frame, result);
  return result;
}

/** Takes a tensor out of every scope: it lives until its dispose(). */
export function keep<T extends Tensor>(tensor: T): T {
  forget(tensor);
  return tensor;
}

function close(frame: Frame, result: unknown): void {
  const at = frames.lastIndexOf(frame);
  frames.splice(at, 1);
  const parent = frames.at(-1);
  const returned = new Set<Tensor>();
  collect(result, returned);
  for (const tensor of frame.tensors) {
    if (!returned.has(tensor)) tensor.dispose();
    else parent?.tensors.add(tensor);
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
