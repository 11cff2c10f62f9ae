// Trains the autoencoder whose latents the diffusion model works on (Esser et al. 2021), in miniature on pixels alone:
//
//   loss = mean |x - decode(zq)| + codebook loss          LPIPS and a discriminator are added by their settings (gan.ts)
//
// A codebook that starts beside the latents stays there: most codes are never the nearest. So the first `quantiseFrom` steps train
// the autoencoder without one; then the latents are scaled to unit variance (which the diffusion model wants anyway) and the codes
// are latents of the training images.
//
//   uiface train vqgan                                  drawn people, the small net
//   uiface train vqgan --data data/faces --net vq-f4 --size 128 --batch 8 --lr 3.6e-5 --lpips lpips.pth --disc-weight 0.75
// Expect an L1 of about 0.47 at first and 0.071 after 1,600 steps of the small net (docs/results.md).

import { batchIndices, imageBatch, type PixelSet } from "../data/pixels.js";
import { Adam } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { cosine } from "../engine/schedules.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import { vqgans } from "../models/configs.js";
import { loadCheckpoint } from "../models/load.js";
import { VqGan } from "../models/vqgan.js";
import { type DataSettings, openData } from "./data.js";
import { ganBetas, ganDefaults, openGan } from "./gan.js";
import { openRun } from "./run.js";
import { saveWeights } from "./weights.js";

export const vqganDefaults = {
  data: "drawn:400x16", //   a folder <identity>/<k>.png, or drawn:IDENTITIESxPICTURES
  size: 64, //               side of the images
  net: "tiny", //            a name in models/configs.ts
  init: "", //               weights to start from
  batch: 16,
  quantiseFrom: 300, //      step from which latents pass through the codebook
  lr: 1e-3, //               falls to zero over the run (half a cosine)
  ...ganDefaults,
  steps: 2_000,
  saveEvery: 500,
  seed: 0,
  strict: false,
  out: "runs/vqgan",
};

/** Trains, and writes `<out>/vqgan.safetensors`. A device is open. */
export async function trainVqgan(s: typeof vqganDefaults): Promise<VqGan> {
  const gan = await openGan(s);
  const images = await openData(s satisfies DataSettings);
  const vqgan = new VqGan(vqgans[s.net as keyof typeof vqgans]).init(s.seed);
  if (s.init) await loadCheckpoint(vqgan, s.init);
  const adam = new Adam(vqgan.parameters(), { betas: ganBetas });
  const run = await openRun(s, { parts: { vqgan, adam, ...gan.parts } });

  for (let step = run.step; step < s.steps; step++) {
    if (step === s.quantiseFrom) await seedCodebook(vqgan, images, s);
    const quantise = step >= s.quantiseFrom;
    const lr = cosine(step, { lr: s.lr, period: s.steps });
    scope(() => {
      const indices = batchIndices(images.labels.length, s.batch, s.seed, step);
      const x = imageBatch(images, indices, { flip: random(s.seed, "flip", step).bernoulli(0.5, s.batch) });
      run.log(gan.generator(vqgan, x, step, quantise));
      adam.step({ lr });
      adam.zeroGrad();
      run.log(gan.update(vqgan, x, step, { quantise, lr }));
    });
    await run.endStep(step);
  }
  await run.finish();
  if (s.steps > s.quantiseFrom) await finishCodebook(vqgan, images, s);
  await saveWeights(vqgan, `${s.out}/vqgan.safetensors`, { net: s.net, size: String(s.size) });
  adam.dispose();
  gan.dispose();
  return vqgan;
}

/** Scales the latents, then makes every code the latent of a random pixel of a random training image. */
async function seedCodebook(vqgan: VqGan, images: PixelSet, s: typeof vqganDefaults): Promise<void> {
  const { mean, std, z } = await unitLatents(vqgan, images, s);
  const codes = z.slice(0, vqgan.config.n_embed).map((v) => v.map((x, d) => (x - mean[d]!) / std));
  vqgan.quantize.embedding.weight.write(Float32Array.from(codes.flat()));
}

/** The latents have drifted since the codebook began: scales them once more, and the codes with them. */
async function finishCodebook(vqgan: VqGan, images: PixelSet, s: typeof vqganDefaults): Promise<void> {
  const { mean, std } = await unitLatents(vqgan, images, s);
  const { weight } = vqgan.quantize.embedding;
  weight.write(((await weight.value.read()) as Float32Array).map((e, i) => (e - mean[i % mean.length]!) / std));
}

/**
 * Scales latents to zero mean and unit variance, by way of the two 1x1 convolutions around them, so that the decoder sees what it
 * saw before. Returns the former mean of each channel, the common deviation, and the sample of former latents that gave them.
 */
async function unitLatents(vqgan: VqGan, images: PixelSet, s: typeof vqganDefaults) {
  const z = await sampleLatents(vqgan, images, s);
  const n = z.length;
  const mean = Array.from({ length: vqgan.config.embed_dim }, (_, d) => z.reduce((sum, v) => sum + v[d]!, 0) / n);
  const squares = z.reduce((sum, v) => sum + v.reduce((q, x, d) => q + (x - mean[d]!) ** 2, 0), 0);
  const std = Math.sqrt(squares / (n * mean.length));
  await rescale(vqgan, mean, std);
  return { mean, std, z };
}

/** As many latents as there are codes, or a few more: random pixels of random images. */
async function sampleLatents(vqgan: VqGan, images: PixelSet, s: typeof vqganDefaults): Promise<number[][]> {
  const rng = random(s.seed, "codebook");
  const { embed_dim: D, n_embed } = vqgan.config;
  const z: number[][] = [];
  while (z.length < n_embed) {
    const picked = rng.integers(16, 0, images.labels.length);
    const y = await scope(() => noGrad(() => vqgan.encode(imageBatch(images, picked)).read()));
    const pixels = y.length / picked.length / D;
    for (let b = 0; b < picked.length && z.length < n_embed; b++) {
      for (const p of rng.integers(16, 0, pixels))
        z.push(Array.from({ length: D }, (_, d) => y[(b * D + d) * pixels + p]!));
    }
  }
  return z;
}

/** z' = (z - mean) / std out of quant_conv, and post_quant_conv(std z' + mean) instead of post_quant_conv(z). */
async function rescale({ quant_conv, post_quant_conv }: VqGan, mean: readonly number[], std: number): Promise<void> {
  const before = (await quant_conv.weight.value.read()) as Float32Array;
  const shift = (await quant_conv.bias!.value.read()) as Float32Array;
  quant_conv.weight.write(before.map((w) => w / std));
  quant_conv.bias!.write(shift.map((b, d) => (b - mean[d]!) / std));
  const after = (await post_quant_conv.weight.value.read()) as Float32Array; // (out, in, 1, 1)
  const bias = (await post_quant_conv.bias!.value.read()) as Float32Array;
  post_quant_conv.bias!.write(
    bias.map((b, o) => b + mean.reduce((sum, m, d) => sum + after[o * mean.length + d]! * m, 0)),
  );
  post_quant_conv.weight.write(after.map((w) => w * std));
}
