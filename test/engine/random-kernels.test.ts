import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { normalArray, random, uniformArray } from "../../engine/random.js";
import { kernel } from "../../engine/shader.js";
import { empty } from "../../engine/tensor.js";
import { relativeError } from "../golden.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

async function draw(name: string, n: number, key: readonly [number, number], offset = 0) {
  const y = empty([n]);
  kernel(name).run({ y }, { n, key, offset }, { workgroups: Math.ceil(n / 256) });
  return await y.read();
}

const key = random(1, "kernel").key();

test("why: the adapter's multiply-high, xor and conversion give the CPU's bits, to the last thread", async () => {
  for (const n of [1, 255, 1027]) expect(await draw("random_uniform", n, key)).toEqual(uniformArray(key, n));
  expect(await draw("random_uniform", 100, key, 2 ** 32 - 5)).toEqual(uniformArray(key, 100, 2 ** 32 - 5));
});

test("why: more workgroups than one dimension of the grid holds, and not a number behind the last", async () => {
  const n = 1296; // ends at a multiple of 64 bytes
  dev.foldAfter = 3;
  try {
    expect(await draw("random_uniform", n, key)).toEqual(uniformArray(key, n));
    expect(relativeError(await draw("random_normal", n, key), normalArray(key, n))).toBeLessThan(1e-6);
  } finally {
    dev.foldAfter = dev.limits.maxComputeWorkgroupsPerDimension;
  }
});

test("why: normals are the CPU's up to the last bits of log, cos and sin, small and large ones", async () => {
  const n = 200_003;
  const want = normalArray(key, n, 9);
  expect(relativeError(await draw("random_normal", n, key, 9), want)).toBeLessThan(1e-6);
  expect(want.some((z) => Math.abs(z) > 4)).toBe(true);
});

test("why: small normals need a small 1 - u, and every angle its sine and cosine", async () => {
  const n = 400_000;
  const [got, want] = [await draw("random_normal", n, key), normalArray(key, n)];
  let [radius, angle] = [0, 0];
  for (let i = 0; i < n; i += 2) {
    const [r, wanted] = [Math.hypot(got[i]!, got[i + 1]!), Math.hypot(want[i]!, want[i + 1]!)];
    if (wanted === 0) continue;
    radius = Math.max(radius, Math.abs(r / wanted - 1));
    for (const k of [i, i + 1]) angle = Math.max(angle, Math.abs(got[k]! / r - want[k]! / wanted));
  }
  expect(radius).toBeLessThan(1.2e-6);
  expect(angle).toBeLessThan(2.5e-7);
});
