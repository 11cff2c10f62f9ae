// From contexts to images: noise keyed by (seed, identity, k), the two-stage sampler, the decoder.

import { type PixelSet, toBytes } from "../data/pixels.js";
import { joinRows, takeRows } from "../data/rows.js";
import { slice } from "../engine/ops/cat.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import { type Tensor, tensor } from "../engine/tensor.js";
import { linear } from "../models/schedule.js";
import type { VqGan } from "../models/vqgan.js";
import { ddimJumps } from "./ddim.js";
import type { SamplerNets } from "./nets.js";
import { type TwoStageOptions, type TwoStageStep, twoStage } from "./two-stage.js";

export interface Contexts {
  /** (N, D), unit rows. */
  rows: Float32Array;
  dim: number;
}

export interface GenerateOptions extends Omit<TwoStageOptions, "onStep"> {
  perIdentity: number;
  seed: number;
  /** Images sampled at once; any value gives the same images. */
  batch?: number;
  ddimSteps?: number;
  onProgress?: (done: number, total: number) => void;
  /** Sees every sampling step with the numbers of its images. */
  onStep?: (step: TwoStageStep, images: readonly number[]) => void | Promise<void>;
}

export interface Generated {
  /** Image identity * perIdentity + k; the names are the identities' numbers. */
  set: PixelSet;
  /** The step from which each image had its identity. */
  conditionedFrom: number[];
  unetRows: number;
}

/** The noise x_T of one image: it never depends on the batch, so that an image can be made again alone. */
export const noiseOf = (seed: number, identity: number, k: number, size: number): Float32Array =>
  random(seed, "noise", identity, k).normals(size);

/** Samples `perIdentity` images of every context. */
export async function generate(
  { unet, vqgan, latent }: SamplerNets,
  contexts: Contexts,
  options: GenerateOptions,
): Promise<Generated> {
  const { perIdentity, seed, batch = 16, ddimSteps = 50, onProgress, onStep, ...twoStageOptions } = options;
  const identities = contexts.rows.length / contexts.dim;
  const total = identities * perIdentity;
  const jumps = ddimJumps(linear().alphaBars, ddimSteps);
  const latentSize = latent.reduce((a, b) => a * b, 1);
  const conditionedFrom: number[] = [];
  let pixels = new Uint8Array(0);
  let size = 0;
  let unetRows = 0;

  for (let at = 0; at < total; at += batch) {
    const images = Array.from({ length: Math.min(batch, total - at) }, (_, i) => at + i);
    await scope(async () => {
      const whose = images.map((image) => Math.floor(image / perIdentity));
      const noise = images.map((image, b) => noiseOf(seed, whose[b]!, image % perIdentity, latentSize));
      const x = tensor(joinRows(noise), [images.length, ...latent]);
      const c = tensor(takeRows(contexts.rows, whose, contexts.dim), [images.length, contexts.dim]);
      const result = await twoStage(unet, x, c, jumps, {
        ...twoStageOptions,
        ...(onStep && { onStep: (step) => onStep(step, images) }),
      });
      const bytes = toBytes(await decoded(vqgan, result.x));
      size = Math.sqrt(bytes.length / images.length / 3);
      if (!pixels.length) pixels = new Uint8Array((bytes.length / images.length) * total);
      pixels.set(bytes, (bytes.length / images.length) * at);
      conditionedFrom.push(...result.conditionedFrom);
      unetRows += result.unetRows;
    });
    onProgress?.(at + images.length, total);
  }
  const labels = Uint32Array.from({ length: total }, (_, i) => Math.floor(i / perIdentity));
  const names = Array.from({ length: identities }, (_, i) => String(i));
  return { set: { pixels, size, labels, names }, conditionedFrom, unetRows };
}

/** Images that are decoded at once: the paper's autoencoder takes 80 MiB for each, the largest layer 16. */
const DECODED = 8;

/** Latents to the values of images, (B, 3, H, W) row-major; not clamped. */
export async function decoded(vqgan: VqGan, z: Tensor): Promise<Float32Array> {
  const B = z.dim(0);
  let images = new Float32Array(0);
  for (let at = 0; at < B; at += DECODED) {
    const count = Math.min(DECODED, B - at);
    const decode = async () => vqgan.decode(slice(z, 0, at, at + count)).read();
    const part = (await scope(() => noGrad(decode))) as Float32Array;
    const size = part.length / count;
    if (!at) images = new Float32Array(B * size);
    images.set(part, at * size);
  }
  return images;
}
