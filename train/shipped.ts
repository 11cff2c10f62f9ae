// Makes the weights that come with the package, from nothing but drawn people: the autoencoder, the recogniser that gives contexts,
// the diffusion model on their latents. Each is resumable; a stage that is done is not done again.
//
//   uiface train shipped --out runs/shipped --weights weights            hours in software, see docs/results.md

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openSafetensors, writeSafetensors } from "../engine/io/safetensors.js";
import { diffusionDefaults, trainDiffusion } from "./diffusion.js";
import { recogniserDefaults, trainRecogniser } from "./recogniser.js";
import { trainVqgan, vqganDefaults } from "./vqgan.js";

export const shippedDefaults = {
  out: "runs/shipped", //   the three runs
  weights: "weights", //    where the half-precision files go
};

/** What the shipped files were trained with, where it differs from the scripts' defaults. */
export const recipe = {
  vqgan: { batch: 8, quantiseFrom: 300, steps: 1_600 },
  recogniser: { steps: 800 },
  diffusion: { batch: 16, steps: 15_600, firstCycle: 5_200 }, // two cycles of lr, the second one twice as long
};

/** Trains all three and writes `<weights>/{vqgan,recogniser,diffusion}.safetensors`. A device is open. */
export async function trainShipped(s: typeof shippedDefaults): Promise<void> {
  const run = (name: string) => join(s.out, name);
  const file = (name: string) => join(run(name), `${name}.safetensors`);
  (await trainVqgan({ ...vqganDefaults, ...recipe.vqgan, out: run("vqgan") })).dispose();
  (await trainRecogniser({ ...recogniserDefaults, ...recipe.recogniser, out: run("recogniser") })).dispose();
  const nets = { vqgan: file("vqgan"), recogniser: file("recogniser") };
  (await trainDiffusion({ ...diffusionDefaults, ...recipe.diffusion, ...nets, out: run("diffusion") })).dispose();
  mkdirSync(s.weights, { recursive: true });
  for (const name of ["vqgan", "recogniser", "diffusion"]) halve(file(name), join(s.weights, `${name}.safetensors`));
}

/** A copy with 16 bits a number. */
function halve(from: string, to: string): void {
  const whole = openSafetensors(from);
  const tensors = whole.names.map((name) => [name, whole.read(name)] as [string, ReturnType<typeof whole.read>]);
  writeSafetensors(to, tensors, { float: "f16", metadata: Object.fromEntries(whole.metadata) });
}
