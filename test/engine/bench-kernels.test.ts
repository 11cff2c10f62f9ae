// The two kernels that `npm run bench` measures its ceilings with: a wrong one would flatter or shame all others.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { random } from "../../engine/random.js";
import { kernel, perElement } from "../../engine/shader.js";
import { empty, tensor } from "../../engine/tensor.js";
import { compare } from "../check-op.js";

let dev: Device;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());

test.each([2, 65_535])("why: a copy that leaves elements out is fast; grid folded after %i", async (foldAfter) => {
  const x = tensor(random(1, "copy").normals(5000));
  const y = empty([5000]);
  const before = dev.foldAfter;
  dev.foldAfter = foldAfter;
  kernel("bench_copy").run({ x, y }, { n: x.size }, perElement(x.size));
  dev.foldAfter = before;
  expect(await y.read()).toEqual(await x.read());
  x.dispose();
  y.dispose();
});

test("why: the rate is counted from 8 chains of 16 steps a turn, so that many there must be", async () => {
  const [threads, turns, a, b] = [128, 3, 0.96875, 0.5];
  const y = empty([threads, 4]);
  kernel("bench_fma").run({ y }, { turns, a, b }, { workgroups: threads / 64 });
  const chain = (start: number) => {
    let c = start;
    for (let step = 0; step < 16 * turns; step++) c = c * a + b;
    return c;
  };
  const want = Array.from({ length: threads }, (_, t) =>
    [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, v) => sum + chain(t + v), 0),
  ).flatMap((sum) => [sum, sum, sum, sum]);
  compare("y", await y.read(), want, 1e-6);
  y.dispose();
});
