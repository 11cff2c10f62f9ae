// Training the autoencoder with LPIPS and a discriminator: what is logged, what is saved, what is refused.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { HostTensor } from "../../engine/io/host.js";
import { writeSafetensors } from "../../engine/io/safetensors.js";
import { Adam } from "../../engine/optim.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { Lpips } from "../../models/lpips.js";
import { saves } from "../../train/checkpoint.js";
import { readMetrics } from "../../train/metrics.js";
import { openRun } from "../../train/run.js";
import { trainVqgan, vqganDefaults } from "../../train/vqgan.js";
import { paramValue } from "../golden.js";

const MINUTES = 60_000;

let dev: Device;
let folder: string;
let lpips: string;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
  folder = mkdtempSync(join(tmpdir(), "uiface-gan-"));
  lpips = join(folder, "lpips.safetensors");
  const tensors = new Lpips().entries().map(([name, { shape }]): [string, HostTensor] => {
    const data = paramValue(name, shape).map(name.startsWith("lin") ? Math.abs : Number);
    return [name, { shape: [...shape], dtype: "f32", data }];
  });
  writeSafetensors(lpips, tensors, { float: "f16" });
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  dev.close();
});

const settings = (name: string) => ({
  ...vqganDefaults,
  data: "drawn:2x2",
  size: 32,
  batch: 2,
  quantiseFrom: 2,
  steps: 4,
  saveEvery: 2,
  lr: 1e-4,
  out: join(folder, name),
});

const train = async (s: typeof vqganDefaults) => (await trainVqgan(s)).dispose();

test(
  "why: a run that goes on from its middle ends with the same bits, the discriminator's among them",
  async () => {
    const s = { ...settings("run"), lpips, discWeight: 0.75, discStart: 1 };
    await train(s);
    const rows = readMetrics(join(s.out, "metrics.jsonl")).map(({ values }) => values);
    expect(rows.map((row) => Object.keys(row).join())).toEqual([
      "l1,lpips",
      "l1,lpips,g,weight,d",
      "l1,codebook,lpips,g,weight,d",
      "l1,codebook,lpips,g,weight,d",
    ]);
    expect(rows.flatMap((row) => Object.values(row)).every(Number.isFinite)).toBe(true);
    expect(rows[1]!.weight).toBeGreaterThan(0);

    const parts = ["vqgan", "adam", "discriminator", "discriminatorAdam"].map((part) => `step-4/${part}.safetensors`);
    const files = ["vqgan.safetensors", "metrics.jsonl", ...parts];
    const read = () => files.map((file) => readFileSync(join(s.out, file)));
    const whole = read();
    for (const name of ["step-4", "vqgan.safetensors"]) rmSync(join(s.out, name), { recursive: true });
    await train(s);
    for (const [i, bytes] of read().entries()) expect(bytes.equals(whole[i]!), files[i]).toBe(true);
  },
  30 * MINUTES,
);

test(
  "why: judges that are asked for too late, or for images too small, are refused before any work",
  async () => {
    const s = { ...settings("plain"), steps: 1 };
    await train(s);
    await expect(train({ ...s, steps: 2, discWeight: 0.75 })).rejects.toThrow(
      /holds adam, vqgan, but this run has adam, discriminator, discriminatorAdam, vqgan\./,
    );
    await expect(train({ ...settings("small"), size: 16, discWeight: 0.75 })).rejects.toThrow(
      "Images of 16 px are too small for the discriminator, which needs 24.\nUse --size 24 or more, or train with --disc-weight 0.",
    );
    await expect(train({ ...settings("small"), size: 8, lpips })).rejects.toThrow(
      "Images of 8 px are too small for LPIPS, which needs 16.\nUse --size 16 or more, or train without --lpips.",
    );
  },
  30 * MINUTES,
);

test("why: when one of two nets meets a NaN the other has gone on, and no save may pretend that they stopped together", async () => {
  const out = join(folder, "apart");
  const nets = ["a", "b"].map((name) => tensor([1], [1]).requiresGrad(name));
  const [a, b] = nets.map((w) => new Adam([w])) as [Adam, Adam];
  const run = await openRun({ out, steps: 3, saveEvery: 0 }, { parts: { a, b } });
  for (const [adam, w, value] of [[a, nets[0]!, 1] as const, [b, nets[1]!, Number.NaN] as const]) {
    backward(w, tensor([value], [1]));
    adam.step({ lr: 0.1 });
  }
  await expect(run.endStep(0)).rejects.toThrow(/^step 0: the gradient is not finite\. The state before it is lost/);
  expect(saves(out)).toEqual([]);
  for (const x of [a, b, ...nets]) x.dispose();
});
