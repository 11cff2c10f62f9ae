// Memory stays flat: what lives after one round of work lives after many, and nothing else.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { Adam, Ema } from "../../engine/optim.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { unets, vqgans } from "../../models/configs.js";
import { type Backbone, backbones } from "../../models/iresnet.js";
import { UNet } from "../../models/unet.js";
import { VqGan } from "../../models/vqgan.js";
import { newContexts } from "../../sample/contexts.js";
import { generate } from "../../sample/generate.js";
import { diffusionDefaults, drawBatch, gradientStep } from "../../train/diffusion.js";
import type { Latents } from "../../train/latents.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

/** Latents of 8 x 8: the same operations as those of 16 x 16, a quarter of the work. */
const latent = [3, 8, 8] as const;

function latents(): Latents {
  const rng = random(0, "leak");
  return { z: rng.normals(2 * 4 * 192), shape: [...latent], contexts: rng.normals(4 * 128), dim: 128, count: 4 };
}

const live = () => ({ bytes: dev.pool.liveBytes, blocks: dev.pool.liveBlocks });

test("why: a tensor that one training step forgets is two thousand after two thousand steps", async () => {
  const before = live();
  const data = latents();
  const unet = new UNet(unets.tiny).init(0);
  const adam = new Adam(unet.parameters());
  const ema = new Ema(unet.parameters());
  const settings = { ...diffusionDefaults, batch: 1 };
  const gradients = gradientStep(unet, settings);
  const train = async (step: number) => {
    scope(() => void gradients.run(...drawBatch(data, settings, step)));
    adam.clipGradNorm(5);
    adam.step({ lr: 1e-4 });
    adam.zeroGrad();
    ema.update(0.999);
    await dev.queue.settle();
  };
  for (let step = 0; step < 4; step++) await train(step); // the third is recorded, the fourth replayed
  const [after4, idle4] = [live(), dev.pool.idleBytes];
  for (let step = 4; step < 20; step++) await train(step);
  expect(live()).toEqual(after4);
  expect(dev.pool.idleBytes).toBe(idle4);
  expect(gradients.replayed).toBe(17);

  gradients.dispose();
  ema.dispose();
  adam.dispose();
  unet.dispose();
  expect(live()).toEqual(before);
});

test("why: sampling gives back all but the nets, also when rows switch to their identity early", async () => {
  const before = live();
  const unet = new UNet(unets.tiny).init(0);
  const vqgan = new VqGan(vqgans.tiny).init(0);
  const contexts = { rows: latents().contexts.subarray(0, 256), dim: 128 };
  const sample = (threshold: number) =>
    generate({ unet, vqgan, latent }, contexts, { perIdentity: 1, seed: 0, batch: 2, ddimSteps: 4, threshold });
  for (const threshold of [0, 1, 0]) await sample(threshold); // then each form of a resting weight is kept (engine/kept.ts)
  const nets = live();
  await sample(1); // all rows switch at once
  expect(live()).toEqual(nets);
  await sample(0); // none does
  expect(live()).toEqual(nets);
  unet.dispose();
  vqgan.dispose();
  expect(live()).toEqual(before);
});

test("why: making identities gives back all but the nets", async () => {
  const unet = new UNet(unets.tiny).init(0);
  const vqgan = new VqGan(vqgans.tiny).init(0);
  const recogniser = backbones.ir_tiny().init(0) as Backbone;
  const nets = live();
  // the recogniser takes 64 x 64 images, so the latents are 16 x 16
  await newContexts(
    { unet, vqgan, recogniser, latent: [3, 16, 16] },
    { identities: 1, seed: 0, batch: 1, ddimSteps: 1, maxCosine: 1.1 },
  );
  expect(live()).toEqual(nets);
  for (const net of [unet, vqgan, recogniser]) net.dispose();
});
