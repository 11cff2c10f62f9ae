// New identities (paper: "unseen identity contexts"). Nothing released says how they were made; this is docs/fidelity.md's reading:
// sample faces without a context, embed them, keep in order those that differ enough from all kept so far.

import type { PixelSet } from "../data/pixels.js";
import { toBytes } from "../data/pixels.js";
import { UsageError } from "../engine/errors.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import { tensor } from "../engine/tensor.js";
import { embed } from "../evaluate/embed.js";
import { ddim } from "./ddim.js";
import { type Contexts, decoded, noiseOf } from "./generate.js";
import type { Nets } from "./nets.js";
import { ddimJumps, linear } from "./schedule.js";

export interface ContextOptions {
  identities: number;
  seed: number;
  /** Largest cosine between two kept identities. */
  maxCosine?: number;
  /** Candidates sampled at once. */
  batch?: number;
  ddimSteps?: number;
  onProgress?: (kept: number, wanted: number, tried: number) => void;
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
    const noise = new Float32Array(batch * size);
    for (let b = 0; b < batch; b++) noise.set(noiseOf(seed, -1, tried + b, size), b * size);
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
      const row = rows.subarray(b * dim, (b + 1) * dim);
      if (kept.every((k) => cosine(k.row, row) < maxCosine))
        kept.push({ row, image: pixels.subarray(b * 3 * side * side, (b + 1) * 3 * side * side) });
    }
    onProgress?.(kept.length, identities, tried + batch);
  }
  if (kept.length < identities) {
    throw new UsageError(
      `Only ${kept.length} of ${identities} new identities differ by a cosine below ${maxCosine}; ${tried} were tried. Raise --max-cosine.`,
    );
  }
  const dim = kept[0]!.row.length;
  const bytes = kept[0]!.image.length;
  const rows = new Float32Array(identities * dim);
  const pixels = new Uint8Array(identities * bytes);
  kept.forEach(({ row, image }, i) => {
    rows.set(row, i * dim);
    pixels.set(image, i * bytes);
  });
  const names = kept.map((_, i) => String(i));
  return {
    contexts: { rows, dim },
    images: { pixels, size: Math.sqrt(bytes / 3), labels: Uint32Array.from(kept.keys()), names },
  };
}

const cosine = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
