// Trains the identity-conditioned latent diffusion model (paper, section 3.2; Ho et al. 2020, algorithm 1):
//
//   x_t = sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise          loss = mean (noise - eps(x_t, t, context))^2
//
// and over alphaBar_t for a net that predicts v: that is mean (v - v(x_t, t, context))^2 (models/velocity.ts).
//
// The context of an image is its own embedding by the recogniser. A quarter of its elements, and a fifth of the rows wholly, are
// dropped, so that one net learns to denoise with and without an identity; both happen inside the UNet.
//
//   uiface train diffusion                             drawn people, the small nets
//   uiface train diffusion --preset paper --data data/casia
// Expect a loss of 0.96 at step 0 of the small net, which predicts v, and 0.34 at the end of the shipped one's run.

import { join } from "node:path";
import { batchIndices, type PixelSet } from "../data/pixels.js";
import { makeFolder } from "../engine/io/atomic.js";
import { add, div, mul, sub } from "../engine/ops/binary.js";
import { randn } from "../engine/ops/random.js";
import { mean } from "../engine/ops/reduce.js";
import { square } from "../engine/ops/unary.js";
import { Adam, Ema } from "../engine/optim.js";
import { type Rng, random } from "../engine/random.js";
import { type Replay, replay } from "../engine/replay.js";
import { cosineRestarts, emaDecay } from "../engine/schedules.js";
import { scope } from "../engine/scope.js";
import { backward } from "../engine/tape.js";
import type { Tensor } from "../engine/tensor.js";
import { unets, vqgans } from "../models/configs.js";
import { backbones, sizesOf } from "../models/iresnet.js";
import { checkpointFiles, loadCheckpoint } from "../models/load.js";
import { linear, type Schedule } from "../models/schedule.js";
import { UNet } from "../models/unet.js";
import { rows } from "../models/velocity.js";
import { VqGan } from "../models/vqgan.js";
import { shippedWeights } from "../sample/nets.js";
import { openData } from "./data.js";
import { encodeSet, fingerprintOf, type Latents, latentBatch } from "./latents.js";
import { openRun } from "./run.js";
import { saveWeights } from "./weights.js";

export const diffusionDefaults = {
  data: "drawn:400x16",
  size: 64,
  net: "tiny", //                          a name in models/configs.ts
  init: "",
  vqgan: "", //                            weights of the autoencoder; "": the shipped ones
  vqganNet: "tiny",
  recogniser: "",
  recogniserNet: "ir_tiny",
  batch: 32,
  accumulate: 1, //                        the paper: 64 x 8
  lr: 1e-3, //                             the paper: 1e-4
  firstCycle: 1_000, //                    steps of the first cosine cycle; each is twice as long as the one before
  ema: 0.999,
  steps: 7_000,
  saveEvery: 1_000,
  seed: 0,
  strict: false,
  recompute: false, //                     keep of every block its input alone: less memory, a third more work, the same bits
  out: "runs/diffusion",
};

const schedule = linear();

/** Trains, and writes `<out>/diffusion.safetensors` (the averaged weights). A device is open. `images`: instead of s.data. */
export async function trainDiffusion(s: typeof diffusionDefaults, images?: PixelSet): Promise<UNet> {
  const data = await prepare(s, images);
  const unet = new UNet(unets[s.net as keyof typeof unets]).init(s.seed);
  if (s.init) await loadCheckpoint(unet, s.init);
  const adam = new Adam(unet.parameters());
  const ema = new Ema(unet.parameters());
  const run = await openRun(s, { parts: { unet, adam, ema } });
  const gradients = gradientStep(unet, s);

  for (let step = run.step; step < s.steps; step++) {
    for (let micro = 0; micro < s.accumulate; micro++) {
      scope(() => run.log({ loss: gradients.run(...drawBatch(data, s, step * s.accumulate + micro)) }));
    }
    adam.step({ lr: cosineRestarts(step, { lr: s.lr, firstCycle: s.firstCycle, cycleFactor: 2 }) });
    adam.zeroGrad();
    ema.update(emaDecay(step + 1, s.ema));
    await run.endStep(step);
  }
  await run.finish();
  await saveWeights(ema, join(s.out, "diffusion.safetensors"), { net: s.net, steps: String(s.steps) });
  ema.swap();
  gradients.dispose();
  adam.dispose();
  return unet;
}

/** The loss of one micro-batch over the number of them, and its gradients: recorded, because all are alike. */
export const gradientStep = (unet: UNet, s: typeof diffusionDefaults): Replay<Batch, Tensor> =>
  replay((...batch: Batch) => {
    const loss = mul(noiseLoss(unet, batch, s), 1 / s.accumulate);
    backward(loss);
    return loss;
  });

/** x_0, the contexts, the steps t, and the stream of all other random numbers. */
export type Batch = [x0: Tensor, context: Tensor, t: Int32Array, rng: Rng];

/** A micro-batch, a pure function of the seed and its number. */
export function drawBatch(data: Latents, s: typeof diffusionDefaults, number: number): Batch {
  const rng = random(s.seed, "diffusion", number);
  const { x0, context } = latentBatch(
    data,
    batchIndices(data.count, s.batch, s.seed, number),
    rng.bernoulli(0.5, s.batch),
  );
  return [x0, context, rng.integers(s.batch, 0, schedule.steps), rng];
}

export function noiseLoss(unet: UNet, [x0, context, t, rng]: Batch, s: typeof diffusionDefaults): Tensor {
  const noise = randn(x0.shape, rng);
  const error = sub(unet.forward(addNoise(x0, noise, t, schedule), t, context, { rng, recompute: s.recompute }), noise);
  return mean(square(unet.config.predicts === "v" ? div(error, rows(schedule.sqrtAlphaBars, t)) : error));
}

/** x_t: (B, C, h, w) with t one for each row. */
export function addNoise(
  x0: Tensor,
  noise: Tensor,
  t: ArrayLike<number>,
  { sqrtAlphaBars, sqrtOneMinusAlphaBars }: Schedule,
): Tensor {
  return add(mul(x0, rows(sqrtAlphaBars, t)), mul(noise, rows(sqrtOneMinusAlphaBars, t)));
}

/** Latents and contexts of the data, by the frozen nets. */
async function prepare(s: typeof diffusionDefaults, images?: PixelSet): Promise<Latents> {
  const set = images ?? (await openData(s));
  const vqgan = new VqGan(vqgans[s.vqganNet as keyof typeof vqgans]);
  const net = s.recogniserNet as keyof typeof backbones;
  const { side } = sizesOf(net);
  const faces = set.size === side ? set : await openData({ ...s, size: side });
  const recogniser = backbones[net]();
  const weights = [
    s.vqgan || join(shippedWeights(), "vqgan.safetensors"),
    s.recogniser || join(shippedWeights(), "recogniser.safetensors"),
  ] as const;
  await loadCheckpoint(vqgan, weights[0]);
  await loadCheckpoint(recogniser, weights[1]);
  makeFolder(s.out);
  const file = {
    path: join(s.out, "latents.safetensors"),
    fingerprint: fingerprintOf(set, weights.flatMap(checkpointFiles)),
  };
  const latents = await encodeSet({ set, faces }, vqgan, recogniser, images ? undefined : file);
  vqgan.dispose();
  recogniser.dispose();
  return latents;
}
