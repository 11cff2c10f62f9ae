import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { add, mul } from "../../engine/ops/binary.js";
import { dropout } from "../../engine/ops/dropout.js";
import { linear } from "../../engine/ops/linear.js";
import { gelu, silu } from "../../engine/ops/unary.js";
import { type Rng, random } from "../../engine/random.js";
import { recompute } from "../../engine/recompute.js";
import { scope } from "../../engine/scope.js";
import { backward, noGrad } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

const N = 40;
const value = (name: string, shape: number[]) => tensor(random(5, name).normals(shape.reduce((a, b) => a * b)), shape);

interface Leaves {
  x: Tensor;
  w: Tensor;
  b: Tensor;
}

const leaves = (): Leaves => ({
  x: value("x", [N, N]).requiresGrad("x"),
  w: value("w", [N, N]).requiresGrad("w"),
  b: value("b", [N]).requiresGrad("b"),
});

/** Uses h three times and the same weights in every block: sums of gradients whose last bits tell in which order they were made. */
function block(h: Tensor, { w, b }: Leaves, rng: Rng): Tensor {
  const y = dropout(gelu(linear(h, w, b)), 0.3, rng);
  return add(mul(add(y, silu(h)), h), linear(y, w, b));
}

type Run = (inputs: Tensor[], work: (rng: Rng) => Tensor, rng: Rng) => Tensor;

/** Three blocks with a skip from the first to the last, as in a UNet. */
function net(l: Leaves, run: Run, rng: Rng): Tensor {
  const h0 = run([l.x], (rng) => block(l.x, l, rng), rng);
  const h1 = run([h0], (rng) => block(h0, l, rng), rng);
  return run([h1, h0], (rng) => block(mul(add(h1, h0), 0.1), l, rng), rng);
}

const plainly: Run = (_inputs, work, rng) => scope(() => work(rng));

async function gradients(run: Run): Promise<Record<string, Float32Array>> {
  const l = leaves();
  const y = await scope(async () => {
    const y = net(l, run, random(1));
    backward(y, value("dy", [N, N]));
    return (await y.read()) as Float32Array;
  });
  const found: Record<string, Float32Array> = { y };
  for (const [name, x] of Object.entries(l) as [string, Tensor][]) {
    found[`d${name}`] = (await x.grad!.read()) as Float32Array;
    x.grad!.dispose();
    x.dispose();
  }
  return found;
}

test("why: gradients must not differ in a bit, though inputs and weights are used many times and numbers are drawn", async () => {
  const plain = await gradients(plainly);
  expect(await gradients(recompute)).toEqual(plain);
  const nested: Run = (inputs, work, rng) => recompute(inputs, (rng) => recompute(inputs, work, rng), rng);
  expect(await gradients(nested)).toEqual(plain);
  expect(plain.dx!.some((v) => v === 0)).toBe(false);
});

test("why: what is saved is what it is for", () => {
  const l = leaves();
  const saved = (run: Run) => {
    const before = dev.pool.liveBytes;
    return scope(() => {
      net(l, run, random(1));
      return dev.pool.liveBytes - before;
    });
  };
  const bytes = 4 * N * N; // rounded up by the pool
  expect(saved(plainly)).toBeGreaterThan(12 * bytes);
  expect(saved(recompute)).toBeLessThan(3.5 * bytes); // the results of three blocks
  for (const x of Object.values(l)) x.dispose();
});

test("why: inputs stay for the second run although their scope is closed, and no longer; a dropped pass frees them", async () => {
  const l = leaves();
  const before = dev.pool.liveBlocks;
  scope(() => {
    const y = scope(() => net(l, recompute, random(1)));
    backward(y, value("dy", [N, N]));
  });
  expect(dev.pool.liveBlocks).toBe(before + 3); // gradients
  scope(() => {
    net(l, recompute, random(1));
  });
  expect(dev.pool.liveBlocks).toBe(before + 3);
  for (const x of Object.values(l)) {
    x.grad.dispose();
    x.dispose();
  }
});

test("why: weights learn also in a part whose inputs lead nowhere, as the first of a net", async () => {
  const { w, b, x } = leaves();
  const data = x.detach();
  await scope(async () =>
    backward(
      recompute([data], () => linear(data, w, b)),
      value("dy", [N, N]),
    ),
  );
  expect((await w.grad!.read()).some((v) => v !== 0)).toBe(true);
  for (const t of [x, data, w.grad!, w, b.grad!, b]) t.dispose();
});

test("why: without gradients, and with nothing to do, it is the plain call", () => {
  scope(() => {
    const { x, w } = leaves();
    expect(noGrad(() => recompute([x], () => linear(x, w))).node).toBeUndefined();
    expect(recompute([x], () => x)).toBe(x);
    expect(() => recompute([x], () => linear(x, x.alias([N * N, 1])))).toThrow("does not fit");
    w.dispose();
    x.dispose();
  });
});
