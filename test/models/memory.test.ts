// How much GPU memory the full-size nets take and how long their tensors are, counted by the pool with a GPU that does nothing.
// docs/memory.md has the numbers of a real adapter, which are the same.

import { describe, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { Module } from "../../engine/nn.js";
import { mse } from "../../engine/ops/loss.js";
import { randn } from "../../engine/ops/random.js";
import { Adam } from "../../engine/optim.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { sizeOf } from "../../engine/tensor.js";
import { unets, vqgans } from "../../models/configs.js";
import { UNet } from "../../models/unet.js";
import { VqGan } from "../../models/vqgan.js";

vi.mock("../../engine/adapter.js", async () => (await import("../dry-device.js")).dryAdapters());

const GiB = 2 ** 30;
/** What every adapter can bind. */
const LEAST_BINDING = 2 ** 27;

function filled<M extends Module>(net: M): M {
  for (const [, p] of net.entries()) p.write(new Float32Array(sizeOf(p.shape)));
  return net;
}

/** One step of training; the bytes that were live at most. */
function peakOfStep(dev: Device, net: UNet, adam: Adam, batch: number, recompute: boolean): number {
  dev.pool.resetPeak();
  scope(() => {
    const rng = random(0);
    const x = randn([batch, 3, 32, 32], rng);
    backward(mse(net.forward(x, 5, randn([batch, 512], rng), { rng, recompute }), x));
  });
  adam.step({ lr: 1e-4 });
  adam.zeroGrad();
  return dev.pool.peakBytes;
}

/** lavapipe stands for software adapters, "gpu" for the others: their kernels' temporaries differ. */
describe.each(["lavapipe", "gpu"] as const)("%s", (kind) => {
  test("why: the paper's net must train at batch 4 where 4.0 GiB are free, with recomputation where 3.7 GiB are", async () => {
    const dev = await openDevice({ kind });
    const net = filled(new UNet(unets.unet_cond_ca_cpd25_uncond20));
    const adam = new Adam(net.parameters());
    const folded = peakOfStep(dev, net, adam, 4, true);
    expect(folded).toBeLessThan(3.7 * GiB);
    expect(dev.pool.peakHeldBytes).toBeLessThan(3.7 * GiB);
    const plain = peakOfStep(dev, net, adam, 4, false);
    expect(plain).toBeLessThan(4 * GiB);
    expect(dev.pool.peakHeldBytes).toBeLessThan(4 * GiB);
    expect(plain - folded).toBeGreaterThan(0.14 * GiB); // what blocks save
    expect(peakOfStep(dev, net, adam, 4, false)).toBe(plain);
    dev.close();
  });

  test("why: 50 images, two rows each, sampled where a binding holds 128 MiB and a buffer 256", async () => {
    const dev = await openDevice({ kind, bindingBytes: LEAST_BINDING });
    const net = filled(new UNet(unets.unet_cond_ca_cpd25_uncond20));
    const rows = Array.from({ length: 100 }, (_, row) => row % 50);
    const blocks = vi.spyOn(dev.gpu, "createBuffer");
    noGrad(() =>
      scope(() => {
        const [x, context] = [randn([100, 3, 32, 32], random(0)), randn([100, 512], random(1))];
        net.run(x, 5, context, { selfRows: rows, crossRows: rows, heat: true });
      }),
    );
    expect(Math.max(...blocks.mock.calls.map(([{ size }]) => size))).toBeLessThanOrEqual(2 * LEAST_BINDING);
    net.dispose();
    dev.close();
  });

  test("why: the form with maps has tensors that are longer, and so have 50 images at full size", async () => {
    const dev = await openDevice({ kind, bindingBytes: LEAST_BINDING });
    const longest = (work: () => unknown) => {
      const blocks = vi.spyOn(dev.pool, "acquire");
      noGrad(() => scope(work));
      const bytes = Math.max(...blocks.mock.calls.map(([bytes]) => bytes));
      blocks.mockRestore();
      return bytes;
    };
    const net = filled(new UNet(unets.unet_cond_ca_cpd25_uncond20));
    const maps = () => {
      const [x, context] = [randn([100, 3, 32, 32], random(0)), randn([100, 512], random(1))];
      const { selfMaps, crossMaps } = net.run(x, 5, context, { maps: true });
      net.run(x, 5, context, { selfMaps, crossMaps });
    };
    expect(longest(maps)).toBeGreaterThan(LEAST_BINDING);
    net.dispose();
    const vqgan = filled(new VqGan(vqgans["vq-f4"]));
    expect(longest(() => vqgan.decode(randn([50, 3, 32, 32], random(0))))).toBeGreaterThan(6 * LEAST_BINDING);
    expect(longest(() => vqgan.encode(randn([50, 3, 128, 128], random(0))))).toBeGreaterThan(3 * LEAST_BINDING);
    vqgan.dispose();
    dev.close();
  });
});
