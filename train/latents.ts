// What the diffusion model trains on: a latent and a context for every image. Both nets that make them are frozen, so they are
// computed once: the latents of each image and of its mirror image, the context of the image as it is (the official training
// does not recompute it for the flip).

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { imageBatch, type PixelSet } from "../data/pixels.js";
import { progress } from "../data/progress.js";
import { takeRows } from "../data/rows.js";
import type { HostTensor } from "../engine/io/host.js";
import { openSafetensors, writeSafetensors } from "../engine/io/safetensors.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import { type Tensor, tensor } from "../engine/tensor.js";
import { embed } from "../evaluate/embed.js";
import type { Backbone } from "../models/iresnet.js";
import type { VqGan } from "../models/vqgan.js";

export interface Latents {
  /** (2, N, C, h, w): the images, then their mirror images. */
  z: Float32Array;
  /** (C, h, w) */
  shape: number[];
  /** (N, D), unit rows. */
  contexts: Float32Array;
  dim: number;
  count: number;
}

/** A file that keeps latents between runs, and what tells that they are of these images and nets. */
export interface LatentFile {
  path: string;
  fingerprint: string;
}

/** Of images and weight files. */
export function fingerprintOf(images: PixelSet, weights: readonly string[]): string {
  const hash = createHash("sha256").update(images.pixels);
  for (const path of weights) hash.update(readFileSync(path));
  return hash.digest("hex");
}

/**
 * Encodes a set; with `file`, from there if it holds the latents of these images and nets, and into it if not. `faces` are the same
 * images at the side that the recogniser takes.
 */
export async function encodeSet(
  { set, faces }: { set: PixelSet; faces: PixelSet },
  vqgan: VqGan,
  recogniser: Backbone,
  file?: LatentFile,
  batch = 16,
): Promise<Latents> {
  const kept = file && readLatents(file);
  if (kept) return kept;
  const count = set.labels.length;
  let z = new Float32Array(0);
  let shape: number[] = [];
  const report = progress("latents");
  for (const mirror of [0, 1]) {
    for (let at = 0; at < count; at += batch) {
      const indices = Array.from({ length: Math.min(batch, count - at) }, (_, i) => at + i);
      await scope(() =>
        noGrad(async () => {
          const y = vqgan.encode(imageBatch(set, indices, { flip: indices.map(() => mirror) }));
          shape = y.shape.slice(1);
          if (!z.length) z = new Float32Array((2 * count * y.size) / indices.length);
          z.set((await y.read()) as Float32Array, ((mirror * count + at) * y.size) / indices.length);
        }),
      );
      report(mirror * count + at + indices.length, 2 * count);
    }
  }
  const { rows, dim } = await embed(recogniser, faces, { onProgress: progress("contexts") });
  const contexts = Float32Array.from(rows);
  if (file) {
    const tensors: [string, HostTensor][] = [
      ["z", { shape: [2, count, ...shape], dtype: "f32", data: z }],
      ["contexts", { shape: [count, dim], dtype: "f32", data: contexts }],
    ];
    writeSafetensors(file.path, tensors, { metadata: { fingerprint: file.fingerprint } });
  }
  return { z, shape, contexts, dim, count };
}

function readLatents({ path, fingerprint }: LatentFile): Latents | undefined {
  if (!existsSync(path)) return undefined;
  const file = openSafetensors(path);
  if (file.metadata.get("fingerprint") !== fingerprint) return undefined;
  const [z, contexts] = [file.read("z"), file.read("contexts")];
  return {
    z: z.data as Float32Array,
    shape: z.shape.slice(2),
    contexts: contexts.data as Float32Array,
    dim: contexts.shape[1]!,
    count: contexts.shape[0]!,
  };
}

/** Rows `indices` as tensors: latents (B, C, h, w), mirrored where `flip` says so, and contexts (B, D). */
export function latentBatch(
  l: Latents,
  indices: ArrayLike<number>,
  flip: ArrayLike<number>,
): { x0: Tensor; context: Tensor } {
  const size = l.shape.reduce((a, b) => a * b, 1);
  const B = indices.length;
  const z = takeRows(
    l.z,
    Array.from(indices, (i, b) => flip[b]! * l.count + i),
    size,
  );
  const c = takeRows(l.contexts, indices, l.dim);
  return { x0: tensor(z, [B, ...l.shape]), context: tensor(c, [B, l.dim]) };
}
