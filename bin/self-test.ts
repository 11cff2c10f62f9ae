// A few seconds of work whose results are known: does this adapter compute, and how fast?

import type { Device } from "../engine/device.js";
import { matmul } from "../engine/ops/matmul.js";
import { softmax } from "../engine/ops/softmax.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { kernel, perElement } from "../engine/shader.js";
import { empty, type Tensor, tensor } from "../engine/tensor.js";

export interface SelfTest {
  name: string;
  /** max|got - want| / max|want| over checked elements. */
  error: number;
  allowed: number;
  ok: boolean;
  rate: string;
}

/** Runs each test once to check it, then a few times for its rate. */
export async function selfTest(dev: Device): Promise<SelfTest[]> {
  return [await addition(dev), await product(dev), await rows(dev)];
}

async function addition(dev: Device): Promise<SelfTest> {
  const n = 4 * 2 ** 20;
  const values = random(0, "self-test").uniforms(n);
  return scope(async () => {
    const a = tensor(values, [n]);
    const y = empty([n]);
    const run = () => kernel("add").run({ a, b: a, y }, { n }, perElement(n));
    run();
    const got = await y.read();
    const error = worst(values.length, (i) => [got[i]!, 2 * values[i]!]);
    return verdict("add", error, 1e-7, `${((12 * n) / 1e6 / (await best(dev, run))).toFixed(1)} GB/s`);
  });
}

async function product(dev: Device): Promise<SelfTest> {
  const n = 512;
  const x = random(1, "self-test").normals(n * n);
  return scope(async () => {
    const a = tensor(x, [n, n]);
    let y: Tensor = matmul(a, a);
    const got = await y.read();
    const error = worst(64, (i) => {
      const [row, col] = [(i * 37) % n, (i * 101) % n];
      let want = 0;
      for (let k = 0; k < n; k++) want += x[row * n + k]! * x[k * n + col]!;
      return [got[row * n + col]!, want];
    });
    const ms = await best(dev, () => {
      y.dispose();
      y = matmul(a, a);
    });
    return verdict("matmul 512", error, 1e-5, `${((2 * n ** 3) / 1e6 / ms).toFixed(1)} GFLOP/s`);
  });
}

async function rows(dev: Device): Promise<SelfTest> {
  const shape = [2048, 256] as const;
  const values = random(2, "self-test").normals(shape[0] * shape[1]);
  return scope(async () => {
    const x = tensor(values, shape);
    let y: Tensor = softmax(x);
    const got = await y.read();
    const error = worst(values.length, (i) => {
      const row = values.subarray(i - (i % shape[1]), i - (i % shape[1]) + shape[1]);
      return [got[i]!, i % 997 === 0 ? Math.exp(values[i]!) / row.reduce((s, v) => s + Math.exp(v), 0) : got[i]!];
    });
    const ms = await best(dev, () => {
      y.dispose();
      y = softmax(x);
    });
    return verdict("softmax 2048x256", error, 1e-5, `${((8 * x.size) / 1e6 / ms).toFixed(1)} GB/s`);
  });
}

/** The fastest of five runs, in ms. */
async function best(dev: Device, run: () => void): Promise<number> {
  let ms = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    await dev.queue.idle();
    const start = performance.now();
    run();
    await dev.queue.idle();
    ms = Math.min(ms, performance.now() - start);
  }
  return ms;
}

function worst(n: number, pair: (i: number) => [got: number, want: number]): number {
  let error = 0;
  let scale = 0;
  for (let i = 0; i < n; i++) {
    const [got, want] = pair(i);
    const off = Math.abs(got - want);
    error = Number.isNaN(off) ? Number.POSITIVE_INFINITY : Math.max(error, off);
    scale = Math.max(scale, Math.abs(want));
  }
  return error / scale;
}

const verdict = (name: string, error: number, allowed: number, rate: string): SelfTest => ({
  name,
  error,
  allowed,
  ok: error <= allowed,
  rate,
});
