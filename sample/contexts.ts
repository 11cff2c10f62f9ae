// New identities (paper: "unseen identity contexts"). Nothing released says how they were made; this is docs/fidelity.md's reading:
// sample faces without a context, embed them, keep in order those that differ enough from all kept so far.

import type { PixelSet } from "../data/pixels.js";
import { toBytes } from "../data/pixels.js";
import { joinRows, rowOf } from "../data/rows.js";
import { UsageError } from "../engine/errors.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import { tensor } from "../engine/tensor.js";
import { embed } from "../evaluate/embed.js";
import { linear } from "../models/schedule.js";
import { ddim, ddimJumps } from "./ddim.js";
import { type Contexts, decoded, noiseOf } from "./generate.js";
import type { Nets } from "./nets.js";

export interface ContextOptions {
  identities: number;
  seed: number;
  /** Largest cosine between two kept identities. */
  maxCosine?: number;
  /** Candidates sampled at once. */
  batch?: number;
  ddimSteps?: number;
  onProgress?: (kept: number, wanted: number) => void;
}

/** Candidates are given up on after this many times the wanted number. */
const PATIENCE = 6;

/** Samples new people: their contexts, and the image each came from. */
export async function newContexts(
  { unet, vqgan, recogniser, latent }: Nets,
  options: ContextOptions,
): Promise<{ contexts: Contexts; images: PixelSet }> {
  const { identities, seed, maxCosine = 0.4, batch = 16, ddimSteps = 50, onProgress } = options;
  const jumps = ddimJumps(linear().alphaBars, ddimSteps);
  const size = latent.reduce((a, b) => a * b, 1);
  const kept: { row: Float64Array; image: Uint8Array }[] = [];
  let tried = 0;
  for (; kept.length < identities && tried < PATIENCE * identities; tried += batch) {
    const noise = joinRows(Array.from({ length: batch }, (_, b) => noiseOf(seed, -1, tried + b, size)));
    const pixels = await scope(() =>
      noGrad(async () => {
        const z = ddim((x, t) => unet.forward(x, t, null), tensor(noise, [batch, ...latent]), jumps);
        return toBytes(await decoded(vqgan, z));
      }),
    );
    const side = Math.sqrt(pixels.length / batch / 3);
    const { rows, dim } = await embed(recogniser, {
      pixels,
      size: side,
      labels: new Uint32Array(batch),
      names: ["candidates"],
    });
    for (let b = 0; b < batch && kept.length < identities; b++) {
      const row = rowOf(rows, b, dim);
      if (kept.every((k) => cosine(k.row, row) < maxCosine))
        kept.push({ row, image: rowOf(pixels, b, 3 * side * side) });
    }
    onProgress?.(kept.length, identities);
  }
  if (kept.length < identities) {
    throw new UsageError(
      `Only ${kept.length} of ${identities} new identities differ by a cosine below ${maxCosine}; ${tried} were tried. Raise --max-cosine.`,
    );
  }
  const rows = Float32Array.from(joinRows(kept.map((k) => k.row)));
  const pixels = joinRows(kept.map((k) => k.image));
  const names = kept.map((_, i) => String(i));
  return {
    contexts: { rows, dim: rows.length / identities },
    images: { pixels, size: Math.sqrt(pixels.length / identities / 3), labels: Uint32Array.from(kept.keys()), names },
  };
}

const cosine = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
