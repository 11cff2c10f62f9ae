// What must hold of the losses whatever the nets are. Their numbers are held by test/parity/gan.ts.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { Module } from "../../engine/nn.js";
import { add } from "../../engine/ops/binary.js";
import { l1 } from "../../engine/ops/loss.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { Discriminator } from "../../models/discriminator.js";
import { discriminatorStep, generatorStep, hinge } from "../../models/gan_loss.js";
import { VqGan } from "../../models/vqgan.js";
import { relativeError } from "../golden.js";

const SIDE = 24;
const config = { ch: 8, ch_mult: [1, 2], num_res_blocks: 1, in_channels: 3, out_ch: 3, z_channels: 3, embed_dim: 3 };

let dev: Device;
let vqgan: VqGan;
let discriminator: Discriminator;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
  vqgan = new VqGan({ ...config, n_embed: 8, norm_groups: 4 }).init(0);
  discriminator = new Discriminator({ ndf: 4 }).init(0);
});
afterAll(() => {
  vqgan.dispose();
  discriminator.dispose();
  dev.close();
});

const images = (): Tensor => tensor(random(1, "x").uniforms(2 * 3 * SIDE * SIDE), [2, 3, SIDE, SIDE]);

/** Runs a step for its gradients alone. */
const run = (step: () => unknown): void =>
  scope(() => {
    step();
  });

/** The gradients of a net, which are then freed. */
async function gradients(net: Module): Promise<number[][]> {
  const all: number[][] = [];
  for (const p of net.parameters()) {
    if (p.grad) all.push([...(await p.grad.read())]);
    p.grad?.dispose();
    p.grad = undefined;
  }
  return all;
}

test("why: without anyone who judges, the step is that of the pixels, bit for bit", async () => {
  await scope(async () => {
    const x = images();
    const { zq, codebookLoss } = vqgan.quantise(vqgan.encode(x));
    backward(add(l1(vqgan.decodeCodes(zq), x), codebookLoss));
  });
  const want = await gradients(vqgan);
  run(() => generatorStep(vqgan, images()));
  expect(await gradients(vqgan)).toEqual(want);
});

test("why: a discriminator without weight judges and changes nothing, although the way back is cut at the image", async () => {
  run(() => generatorStep(vqgan, images()));
  const want = await gradients(vqgan);
  const weight = await scope(() =>
    generatorStep(vqgan, images(), { discriminator, discriminatorWeight: 0 }).weight!.item(),
  );
  const got = await gradients(vqgan);
  expect(weight).toBe(0);
  const scale = Math.max(...want.flat().map(Math.abs));
  for (const [i, w] of want.entries())
    expect(Math.max(...got[i]!.map((v, k) => Math.abs(v - w[k]!))) / scale).toBeLessThan(1e-6);
});

test("why: each side's step leaves the other without a gradient, and both free what they made", async () => {
  const bytes: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    run(() => generatorStep(vqgan, images(), { discriminator }));
    expect(discriminator.parameters().every((p) => p.wantsGrad && !p.grad)).toBe(true);
    expect((await gradients(vqgan)).length).toBe(vqgan.parameters().length);

    run(() => discriminatorStep(vqgan, discriminator, images()));
    expect(vqgan.parameters().every((p) => p.wantsGrad && !p.grad)).toBe(true);
    expect((await gradients(discriminator)).length).toBe(discriminator.parameters().length);
    bytes.push(dev.pool.liveBytes);
  }
  expect(bytes[2], "the first turn keeps no transformed weights, the second one does").toBe(bytes[1]);
});

test("why: the adaptive weight is d times a ratio of gradients that d is no part of", async () => {
  const at = (discriminatorWeight: number) =>
    scope(() => generatorStep(vqgan, images(), { discriminator, discriminatorWeight }).weight!.item());
  const one = await at(0.75);
  expect(one).toBeGreaterThan(0);
  expect(relativeError([await at(1.5)], [2 * one])).toBeLessThan(1e-6);
  await gradients(vqgan);
});

test("why: beyond the margin of 1 the discriminator is content, and it pays half for each side", async () => {
  const value = (real: number[], fake: number[]) =>
    scope(() => hinge(tensor(real, [real.length]), tensor(fake, [fake.length])).item());
  expect(await value([1, 5], [-1, -7])).toBe(0);
  expect(await value([0, 0], [-1, -1])).toBe(0.5);
  expect(await value([3, 3], [0, 1])).toBe(0.75);
});
