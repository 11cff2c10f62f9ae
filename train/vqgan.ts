// Trains the autoencoder whose latents the diffusion model works on (Esser et al. 2021), in miniature without a discriminator:
//
//   loss = mean |x - decode(zq)| + codebook loss
//
//   uiface train vqgan                                  drawn people, the small net
//   uiface train vqgan --data data/faces --net vq-f4 --size 128 --batch 8
// Expect an L1 of about 0.3 at first and below 0.06 after 2,000 steps of the small net (docs/results.md).

import { batchIndices, imageBatch } from "../data/pixels.js";
import { add } from "../engine/ops/binary.js";
import { l1 } from "../engine/ops/loss.js";
import { Adam } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { cosine } from "../engine/schedules.js";
import { scope } from "../engine/scope.js";
import { backward } from "../engine/tape.js";
import { vqgans } from "../models/configs.js";
import { VqGan } from "../models/vqgan.js";
import { type DataSettings, openData } from "./data.js";
import { openRun } from "./run.js";
import { loadWeights, saveWeights } from "./weights.js";

export const vqganDefaults = {
  data: "drawn:400x16", //   a folder <identity>/<k>.png, or drawn:IDENTITIESxPICTURES
  size: 64, //               side of the images
  net: "tiny", //            a name in models/configs.ts
  init: "", //               weights to start from (.safetensors)
  batch: 16,
  lr: 1e-3, //               falls to zero over the run (half a cosine)
  steps: 2_000,
  saveEvery: 500,
  seed: 0,
  strict: false,
  out: "runs/vqgan",
};

/** Trains, and writes `<out>/vqgan.safetensors`. A device is open. */
export async function trainVqgan(s: typeof vqganDefaults): Promise<VqGan> {
  const images = await openData(s satisfies DataSettings);
  const vqgan = new VqGan(vqgans[s.net as keyof typeof vqgans]).init(s.seed);
  if (s.init) loadWeights(vqgan, s.init);
  const adam = new Adam(vqgan.parameters(), { betas: [0.5, 0.9] });
  const run = await openRun(s, { parts: { vqgan, adam } });

  for (let step = run.step; step < s.steps; step++) {
    scope(() => {
      const indices = batchIndices(images.labels.length, s.batch, s.seed, step);
      const x = imageBatch(images, indices, random(s.seed, "flip", step).bernoulli(0.5, s.batch));
      const { zq, codebookLoss } = vqgan.quantise(vqgan.encode(x));
      const pixel = l1(vqgan.decodeCodes(zq), x);
      run.log({ l1: pixel, codebook: codebookLoss });
      backward(add(pixel, codebookLoss));
    });
    adam.step({ lr: cosine(step, { lr: s.lr, period: s.steps }) });
    adam.zeroGrad();
    await run.endStep(step);
  }
  await run.finish();
  await saveWeights(vqgan, `${s.out}/vqgan.safetensors`, { net: s.net, size: String(s.size) });
  adam.dispose();
  return vqgan;
}
