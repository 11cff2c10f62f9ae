// A set of face images in memory: 8-bit pixels with an identity each, and the order in which training visits them.

import { ShapeError } from "../engine/errors.js";
import { random } from "../engine/random.js";
import { type Tensor, tensor } from "../engine/tensor.js";
import { rowOf } from "./rows.js";

export interface PixelSet {
  /** (N, 3, size, size), RGB. */
  readonly pixels: Uint8Array;
  readonly size: number;
  /** The identity of each image: 0 .. identities - 1. */
  readonly labels: Uint32Array;
  /** The name of each identity (a folder's name). */
  readonly names: readonly string[];
}

/** The bytes of image i, (3, size, size), as a view. */
export const imageOf = ({ pixels, size }: PixelSet, i: number): Uint8Array => rowOf(pixels, i, 3 * size * size);

/** How a batch's images change on their way to the net: a value an image. */
export interface Changes {
  /** Mirrored where not 0. */
  flip?: ArrayLike<number> | undefined;
  /** Moved down and right by so many pixels, the image's own reflection moving in. */
  shift?: { y: ArrayLike<number>; x: ArrayLike<number> } | undefined;
  /** Values are multiplied by it: contrast about mid-grey. */
  gain?: ArrayLike<number> | undefined;
}

/** Images `indices` as a tensor (B, 3, size, size) in [-1, 1]. */
export function imageBatch(set: PixelSet, indices: ArrayLike<number>, { flip, shift, gain }: Changes = {}): Tensor {
  const { size, pixels } = set;
  const plane = size * size;
  const out = new Float32Array(indices.length * 3 * plane);
  for (let b = 0; b < indices.length; b++) {
    const from = indices[b]! * 3 * plane;
    const to = b * 3 * plane;
    if (from + 3 * plane > pixels.length)
      throw new ShapeError(`Image ${indices[b]} is past the set's ${set.labels.length}.`);
    const rows = places(size, shift?.y[b] ?? 0, false);
    const scale = gain?.[b] ?? 1;
    const columns = places(size, shift?.x[b] ?? 0, Boolean(flip?.[b]));
    for (let row = 0; row < 3 * size; row++) {
      const [above, y] = [from + Math.floor(row / size) * plane, rows[row % size]!];
      for (let x = 0; x < size; x++) {
        out[to + row * size + x] = scale * (pixels[above + y * size + columns[x]!]! / 127.5 - 1);
      }
    }
  }
  return tensor(out, [indices.length, 3, size, size]);
}

/** Where the pixels of a moved, perhaps mirrored line come from; past an end the line runs back. */
function places(size: number, shift: number, mirrored: boolean): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => {
    let at = Math.abs(i - shift);
    if (at >= size) at = 2 * size - 2 - at;
    return mirrored ? size - 1 - at : at;
  });
}

/** The labels of images `indices` as a u32 tensor (B). */
export const labelBatch = (set: PixelSet, indices: ArrayLike<number>): Tensor =>
  tensor(
    Uint32Array.from(indices, (i) => set.labels[i]!),
    [indices.length],
    "u32",
  );

/** [-1, 1] to 8 bits, as the official sampler writes images: value * 255 + 0.5, clamped, truncated (docs/quirks.md). */
export function toBytes(values: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) out[i] = Math.min(255, Math.max(0, ((values[i]! + 1) / 2) * 255 + 0.5));
  return out;
}

/**
 * The images of training step `step`: each epoch is one permutation keyed by (seed, epoch), the last partial batch joined to the
 * next epoch's first images. A pure function of its arguments, so that a resumed run sees the same order.
 */
export function batchIndices(count: number, batch: number, seed: number, step: number): Uint32Array {
  const out = new Uint32Array(batch);
  const first = step * batch;
  let order: Uint32Array = new Uint32Array();
  for (let i = 0, epoch = -1; i < batch; i++) {
    const at = first + i;
    if (Math.floor(at / count) !== epoch) {
      epoch = Math.floor(at / count);
      order = random(seed, "epoch", epoch).permutation(count);
    }
    out[i] = order[at % count]!;
  }
  return out;
}
