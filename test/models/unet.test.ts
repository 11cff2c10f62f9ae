// What must hold of the UNet whatever its weights are. Its numbers are held by test/parity/unet.ts.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { mse } from "../../engine/ops/loss.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { UNet, type UNetConfig, type UNetOptions } from "../../models/unet.js";
import { paramValue, relativeError } from "../golden.js";

const config: UNetConfig = {
  input_channels: 3,
  initial_channels: 32,
  channel_multipliers: [1, 2],
  is_attention: [false, true],
  attention_heads: -1,
  attention_head_channels: 32,
  n_blocks_per_resolution: 1,
  context_input_channels: 16,
  context_channels: 32,
  learn_empty_context: true,
  context_dropout_probability: 0.25,
  unconditioned_probability: 0.5,
};

const B = 3;
let dev: Device;
let net: UNet;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
  net = new UNet(config);
  for (const [name, p] of net.entries()) p.write(paramValue(name, p.shape));
});
afterAll(() => {
  net.dispose();
  dev.close();
});

const noise = (name: string, shape: number[]): Tensor =>
  tensor(random(3, name).normals(shape.reduce((a, b) => a * b)), shape);
const latent = () => noise("x", [B, 3, 8, 8]);
const contexts = () => noise("context", [B, 16]);

/** eps without gradients. */
const run = (options: UNetOptions, context: Tensor | null = contexts()): Promise<Float32Array> =>
  scope(
    async () => (await noGrad(() => net.forward(latent(), [10, 500, 990], context, options)).read()) as Float32Array,
  );

describe("injected attention", () => {
  test("why: a pass's own maps, self and cross, change nothing when they are given back", async () => {
    const plain = await run({});
    const own = await scope(async () => {
      const { selfMaps, crossMaps } = noGrad(() => net.run(latent(), [10, 500, 990], contexts(), { maps: true }));
      return { both: await run({ selfMaps, crossMaps }), self: await run({ selfMaps }) };
    });
    expect(relativeError(own.self, plain)).toBeLessThan(1e-5);
    expect(relativeError(own.both, plain)).toBeLessThan(1e-5);
    expect(relativeError(await run({ selfRows: [0, 1, 2], crossRows: [0, 1, 2] }), plain)).toBeLessThan(1e-5);
  });

  test("why: rows of the batch stand for another pass's maps, to rounding", async () => {
    const rows = [2, 2, 2];
    const options = { conditionFlag: [true, true, false] };
    const taken = await scope(async () => {
      const { selfMaps, crossMaps } = noGrad(() =>
        net.run(latent(), [10, 500, 990], contexts(), { ...options, maps: true }),
      );
      const last = (map: Tensor | undefined) => map && repeatLast(map);
      return run({
        ...options,
        selfMaps: await Promise.all(selfMaps.map(last)),
        crossMaps: await Promise.all(crossMaps.map(last)),
      });
    });
    const plain = await run(options);
    const byRows = await run({ ...options, selfRows: rows, crossRows: rows });
    expect(relativeError(byRows, taken)).toBeLessThan(1e-5);
    expect(relativeError(byRows, plain)).toBeGreaterThan(1e-3);
  });
});

/** (B heads, ...) with the last item's heads in the place of every item's. */
async function repeatLast(map: Tensor): Promise<Tensor> {
  const values = (await map.read()) as Float32Array;
  const last = values.slice((values.length / B) * (B - 1));
  return tensor(Float32Array.from(Array.from({ length: B }, () => [...last]).flat()), map.shape);
}

describe("context", () => {
  test("why: a row without its flag is the unconditional row", async () => {
    const flagged = await run({ conditionFlag: [true, false, true] });
    const [none, all] = [await run({}, null), await run({})];
    const row = (values: Float32Array, b: number) =>
      values.slice((b * values.length) / B, ((b + 1) * values.length) / B);
    expect(row(flagged, 1)).toEqual(row(none, 1));
    expect(row(flagged, 0)).toEqual(row(all, 0));
    expect(row(all, 1)).not.toEqual(row(none, 1));
  });

  test("why: in training row 0 never sees its identity (a quirk of the official code), and draws repeat", async () => {
    const half = { ...config, context_dropout_probability: 0, unconditioned_probability: 1e-9 };
    const trained = new UNet(half);
    for (const [name, p] of trained.entries()) p.write(paramValue(name, p.shape));
    const eps = (options: UNetOptions) =>
      scope(async () => noGrad(() => trained.forward(latent(), 5, contexts(), options)).read());
    const flags = (...conditionFlag: boolean[]) => eps({ conditionFlag });
    expect(await eps({ rng: random(1) })).toEqual(await flags(false, true, true));
    expect(await eps({ rng: random(1), maskFirstSample: false })).toEqual(await flags(true, true, true));
    trained.dispose();
    expect(await run({ rng: random(1, 1) })).toEqual(await run({ rng: random(1, 1) }));
    expect(await run({ rng: random(1, 1) })).not.toEqual(await run({ rng: random(1, 2) }));
  });
});

test("why: a fresh net predicts exactly 0, so training begins at loss 1", async () => {
  const fresh = new UNet(config).init(0);
  const eps = await scope(() => fresh.forward(latent(), 1, contexts()).read());
  expect(eps.every((v) => v === 0)).toBe(true);
  fresh.dispose();
});

test("why: a training step gives back all it took but the gradients, and reaches every parameter", async () => {
  const step = () =>
    scope(async () => {
      const loss = mse(net.forward(latent(), 7, contexts(), { rng: random(2) }), latent());
      backward(loss);
      return loss.item();
    });
  const first = await step();
  const live = dev.pool.liveBytes;
  expect(net.namedParameters().filter(([, p]) => !p.grad)).toEqual([]);
  for (const p of net.parameters()) p.gradIsStale = true;
  expect(await step()).toBe(first);
  expect(dev.pool.liveBytes).toBe(live);
});

test("why: a net that runs its blocks twice is for memory, and must not be another net", async () => {
  const [x, context, target] = [latent(), contexts(), noise("target", [B, 3, 8, 8])];
  const step = async (recompute: boolean) => {
    for (const p of net.parameters()) p.gradIsStale = true;
    const loss = await scope(async () => {
      const loss = mse(net.forward(x, [3, 700, 20], context, { rng: random(9), recompute }), target);
      backward(loss);
      return loss.item();
    });
    return [loss, ...(await Promise.all(net.parameters().map((p) => p.grad!.read())))];
  };
  expect(await step(true)).toEqual(await step(false));
  for (const t of [x, context, target]) t.dispose();
});

test("why: a batch whose tensors are longer than a binding is run in parts, forwards and back", async () => {
  const rows = 32;
  const [x, context] = [noise("long x", [rows, 3, 8, 8]), noise("long context", [rows, 16])];
  const step = () =>
    scope(async () => {
      for (const p of net.parameters()) p.gradIsStale = true;
      const before = dev.queue.dispatches;
      const eps = net.forward(x, 40, context, { rng: random(4) });
      backward(mse(eps, noise("long target", [rows, 3, 8, 8])));
      const grads = await Promise.all(net.parameters().map(async (p) => (await p.grad!.read()) as Float32Array));
      return { dispatches: dev.queue.dispatches - before, eps: (await eps.read()) as Float32Array, grads };
    });
  const whole = await step();
  const bytes = new Map<unknown, number>(); // of weights that lie together: they are not cut
  for (const p of net.parameters()) bytes.set(p.storage, (bytes.get(p.storage) ?? 0) + 4 * p.size);
  const most = Math.max(...bytes.values());
  const limit = vi.spyOn(dev.gpu.limits, "maxStorageBufferBindingSize", "get").mockReturnValue(most);
  const parts = await step();
  limit.mockRestore();
  expect(parts.dispatches).toBeGreaterThan(whole.dispatches + 20);
  expect(relativeError(parts.eps, whole.eps)).toBeLessThan(1e-5);
  const sizes = whole.grads.map((g) => g.reduce((most, v) => Math.max(most, Math.abs(v)), 0));
  const floor = [...sizes].sort((a, b) => a - b)[sizes.length >> 1]! / 10; // some gradients are 0 by mathematics, and noise here
  parts.grads.forEach((g, i) => {
    const want = whole.grads[i]!;
    const off = g.reduce((most, v, k) => Math.max(most, Math.abs(v - want[k]!)), 0);
    expect(off / Math.max(sizes[i]!, floor)).toBeLessThan(1e-4);
  });
  for (const t of [x, context]) t.dispose();
});

test("why: maps by index, a number for each block and the middle, and heat in 0..1", async () => {
  await scope(async () => {
    const { selfMaps, crossMaps, heat } = noGrad(() => net.run(latent(), 5, null, { maps: true, heat: true }));
    expect(selfMaps.map((m) => m && [...m.shape])).toEqual([
      undefined,
      [2 * B, 16, 16],
      [2 * B, 16, 16],
      [2 * B, 16, 16],
      [B, 16, 16],
      undefined,
      undefined,
    ]);
    expect(crossMaps[1]!.shape).toEqual([2 * B, 16, 32]);
    const values = await heat!.read();
    expect(heat!.shape).toEqual([B, 32, 32]);
    expect([Math.min(...values), Math.max(...values)]).toEqual([0, 1]);
  });
});
