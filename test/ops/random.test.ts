import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { rand, randn } from "../../engine/ops/random.js";
import { random } from "../../engine/random.js";
import { compare } from "../check-op.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

// One element past a workgroup's 256, and past 65,535 workgroups folded into two dimensions.
for (const n of [1, 257, 100_003]) {
  test(`${n} uniform numbers are the twin's, bit for bit`, async () => {
    expect(await rand([n], random(3, "u")).read()).toEqual(random(3, "u").uniforms(n));
  });

  test(`${n} normal numbers are the twin's to 1e-6`, async () => {
    compare("randn", await randn([n], random(3, "n")).read(), random(3, "n").normals(n), 1e-6);
  });
}

test("each call draws anew, and a stream begins again from its ids", async () => {
  const rng = random(5, "stream");
  const [first, second] = [await randn([64], rng).read(), await randn([64], rng).read()];
  expect(second).not.toEqual(first);
  expect(await randn([64], random(5, "stream")).read()).toEqual(first);
});

test("moments of a million normal numbers", async () => {
  const x = (await randn([1_000_000], random(9)).read()) as Float32Array;
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length;
  expect(Math.abs(mean)).toBeLessThan(4e-3); // four standard errors
  expect(Math.abs(variance - 1)).toBeLessThan(6e-3);
});
