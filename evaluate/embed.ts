// Embeddings of a set of faces by a recogniser.

import { imageBatch, type PixelSet } from "../data/pixels.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import type { Backbone } from "../models/iresnet.js";
import { flipEmbedding } from "./verification.js";

export interface EmbedOptions {
  batch?: number;
  /** Sum with the mirrored image's features before normalising, as verification does; contexts are taken without. */
  flip?: boolean;
  onProgress?: (done: number, total: number) => void;
}

/** Unit embeddings of every image, (N, D) row-major. */
export async function embed(
  backbone: Backbone,
  set: PixelSet,
  options: EmbedOptions = {},
): Promise<{ rows: Float64Array; dim: number }> {
  const { batch = 32, flip = false, onProgress } = options;
  const total = set.labels.length;
  let rows = new Float64Array(0);
  let dim = 0;
  for (let at = 0; at < total; at += batch) {
    const indices = Array.from({ length: Math.min(batch, total - at) }, (_, i) => at + i);
    const [plain, mirrored] = await scope(async () =>
      noGrad(async () => {
        const features = async (mirror: boolean) => {
          const f = backbone.forward(imageBatch(set, indices, mirror ? { flip: indices.map(() => 1) } : {}));
          dim = f.dim(1);
          return (await f.read()) as Float32Array;
        };
        return [await features(false), flip ? await features(true) : undefined] as const;
      }),
    );
    if (!rows.length) rows = new Float64Array(total * dim);
    rows.set(mirrored ? flipEmbedding(plain, mirrored, dim) : unit(plain, dim), at * dim);
    onProgress?.(at + indices.length, total);
  }
  return { rows, dim };
}

/** Each row divided by its length. */
export function unit(features: ArrayLike<number>, dim: number): Float64Array {
  const out = Float64Array.from(features);
  for (let r = 0; r < out.length; r += dim) {
    let sum = 0;
    for (let j = 0; j < dim; j++) sum += out[r + j]! ** 2;
    const scale = 1 / Math.sqrt(Math.max(sum, 1e-24));
    for (let j = 0; j < dim; j++) out[r + j]! *= scale;
  }
  return out;
}
