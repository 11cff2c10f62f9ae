import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { nearestCode } from "../../engine/ops/nearest_code.js";
import { random } from "../../engine/random.js";
import { Tensor, tensor, zeros } from "../../engine/tensor.js";
import { checkOp, FULL_ROWS } from "../check-op.js";
import * as reference from "../reference/nearest_code.js";

checkOp(
  "nearest_code",
  ({ z, codebook }) => nearestCode(z!, codebook!),
  ({ z, codebook }) => reference.nearestCode(z!, codebook!),
  [
    { why: "more rows than a workgroup", inputs: { z: [37, 3], codebook: [50, 3] } },
    { why: "workgroups of rows, all full", inputs: { z: [FULL_ROWS, 3], codebook: [5, 3] } },
    { why: "another size of code", inputs: { z: [5, 4], codebook: [9, 4] } },
    {
      why: "of two equal codes the first",
      inputs: { z: [3, 3], codebook: { shape: [3, 3], values: [9, 9, 9, 0, 0, 0, 0, 0, 0] } },
    },
    { why: "the last code", inputs: { z: [1, 3], codebook: { shape: [2, 3], values: [5, 5, 5, 0, 0, 0] } } },
  ],
  { grad: false },
);

test("near ties fall as f32 has them: |z|^2 + |e|^2 is rounded before 2 z e is taken off", async () => {
  const rng = random(1, "nearest_code near ties");
  const round = Math.fround;
  // Between 2^24 and 2^25 neighbours in f32 are 2 apart. Every product and |z|^2 itself are exact, fused or not.
  const z = Array.from({ length: 40 }, () => {
    const a = 3001 + 2 * rng.integer(0, 400);
    return [a, a + 2 * rng.integer(-2, 3), 2 * rng.integer(0, 4)];
  });
  const codes = Array.from({ length: 60 }, () => {
    const t = rng.integer(-12, 13) / 8;
    return [t, -t, rng.integer(-12, 13) / 8]; // nearly at right angles to z
  });
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, d) => sum + v * b[d]!, 0);
  const first = (distance: (e: number[]) => number) => {
    const all = codes.map(distance);
    return all.indexOf(Math.min(...all));
  };
  const want = z.map((row) => first((e) => round(round(dot(row, row) + dot(e, e)) - 2 * dot(row, e))));
  const exact = z.map((row) => first((e) => dot(e, e) - 2 * dot(row, e)));
  expect(want, "the case shows the difference").not.toEqual(exact);
  const dev = await openDevice();
  try {
    expect([...(await nearestCode(tensor(z), tensor(codes)).read())]).toEqual(want);
  } finally {
    dev.close();
  }
});

test("... and is added: at 2^24 the numbers above are 2 apart, those below 1", async () => {
  const dev = await openDevice();
  try {
    const codes = tensor([0, 0.95, 0, 0, 0.6, 0], [2, 3]); // |e|^2 = 0.9 and 0.36: both sums are 2^24, the first code wins
    expect([...(await nearestCode(tensor([4096, 0, 0], [1, 3]), codes).read())]).toEqual([0]);
  } finally {
    dev.close();
  }
});

test("what lies behind the last code is no code", async () => {
  const dev = await openDevice({ poison: true });
  try {
    const all = tensor([5, 5, 5, 7, 7, 7, 0, 0, 0], [3, 3]);
    const two = new Tensor(all.storage.retain(), [2, 3]);
    expect([...(await nearestCode(tensor([0, 0, 0], [1, 3]), two).read())]).toEqual([0]);
  } finally {
    dev.close();
  }
});

test("codes of another size are refused with both shapes", async () => {
  const dev = await openDevice();
  try {
    expect(() => nearestCode(zeros([4, 3]), zeros([9, 4]))).toThrow(/\(4, 3\).*\(9, 4\)/);
  } finally {
    dev.close();
  }
});
