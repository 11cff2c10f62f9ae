// How many dispatches the paper's net takes on GPUs at full size, counted with a GPU that does nothing. Every dispatch costs the
// JavaScript thread some microseconds whatever its size (docs/design.md, "Dispatches"), so the numbers must not grow back unseen.

import { expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { mse } from "../../engine/ops/loss.js";
import { randn } from "../../engine/ops/random.js";
import { Adam, Ema } from "../../engine/optim.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { sizeOf } from "../../engine/tensor.js";
import { unets } from "../../models/configs.js";
import { UNet } from "../../models/unet.js";

vi.mock("../../engine/adapter.js", async () => (await import("../dry-device.js")).dryAdapters());

/** The kernels of `work`, by name, and its copies. */
function counted(dev: Device, work: () => void): { all: number; copies: number; kernels: Record<string, number> } {
  const dispatch = vi.spyOn(dev.queue, "dispatch");
  const copy = vi.spyOn(dev.queue, "copy");
  work();
  const kernels: Record<string, number> = {};
  for (const [label] of dispatch.mock.calls) kernels[label] = (kernels[label] ?? 0) + 1;
  const [all, copies] = [dispatch, copy].map(({ mock }) => mock.calls.length) as [number, number];
  for (const spy of [dispatch, copy]) spy.mockRestore();
  return { all, copies, kernels };
}

test("why: a step of training and a forward pass of the full net", async () => {
  const dev = await openDevice({ kind: "gpu" });
  const net = new UNet(unets.unet_cond_ca_cpd25_uncond20);
  for (const [, p] of net.entries()) p.write(new Float32Array(sizeOf(p.shape)));
  const inputs = (B: number) => [randn([B, 3, 32, 32], random(0)), randn([B, 512], random(1))] as const;

  const [x, context] = inputs(1);
  const forward = counted(dev, () => {
    noGrad(() => scope(() => net.forward(x, 5, context)));
  });
  expect(forward.all, JSON.stringify(forward.kernels)).toBeLessThanOrEqual(448);
  expect(forward.copies).toBeLessThanOrEqual(2);

  const adam = new Adam(net.parameters());
  const ema = new Ema(net.parameters());
  const [noise, contexts] = inputs(64);
  const step = counted(dev, () => {
    scope(() => {
      backward(mse(net.forward(noise, 5, contexts, { rng: random(2) }), noise));
    });
    adam.step({ lr: 1e-4 });
    adam.zeroGrad();
    ema.update(0.999);
  });
  expect(step.all, JSON.stringify(step.kernels)).toBeLessThanOrEqual(1161);
  expect(step.copies).toBeLessThanOrEqual(240);
  dev.close();
});
