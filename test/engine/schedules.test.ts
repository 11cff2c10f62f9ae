import { expect, test } from "vitest";
import { cosine, cosineRestarts, emaDecay, multiStep } from "../../engine/schedules.js";

// Against PyTorch's own numbers: test/parity/schedules.ts.

const paper = { lr: 1e-4, firstCycle: 10_000, cycleFactor: 2 };

test.each([
  [0, 1e-4],
  [100_000, 6.9134e-5],
  [150_000, 1e-4],
  [250_000, 3.0866e-5],
  [400_000, 8.172e-5],
  [600_000, 2.153e-6],
  [800_000, 8.3578e-5],
  [900_000, 6.2149e-5],
])("the paper's learning rate at step %i is %f", (step, lr) => {
  expect(cosineRestarts(step, paper) / lr).toBeCloseTo(1, 4);
});

test("why: a restart is at its step, not one later", () => {
  for (const step of [10_000, 30_000, 70_000, 150_000, 310_000, 630_000, 1_270_000]) {
    expect(cosineRestarts(step, paper)).toBe(1e-4);
    expect(cosineRestarts(step - 1, paper)).toBeLessThan(1e-11);
  }
});

test("why: cycles of one length, and a minimum", () => {
  const settings = { lr: 1, firstCycle: 4, minimum: 0.5 };
  expect([0, 2, 4, 6, 400_000_002].map((step) => cosineRestarts(step, settings))).toEqual([1, 0.75, 1, 0.75, 0.75]);
  expect(() => cosineRestarts(1, { lr: 1, firstCycle: 0 })).toThrow("firstCycle 0");
  expect(() => cosineRestarts(1, { lr: 1, firstCycle: 4, cycleFactor: 1.5 })).toThrow("the factor whole");
});

test("why: milestones count from the step at which they are reached", () => {
  expect([9, 10, 11, 20].map((step) => multiStep(step, { lr: 1, milestones: [10, 20], gamma: 0.5 }))).toEqual([
    1, 0.5, 0.5, 0.25,
  ]);
  expect(cosine(5, { lr: 2, period: 10, minimum: 1 })).toBeCloseTo(1.5, 14);
});

test("why: the average begins as a copy, warms up, and ends at its limit", () => {
  for (const rule of ["official-noop", "power", 0.999] as const) expect(emaDecay(1, rule)).toBe(0);
  expect(emaDecay(2, 0.999)).toBe(1 - 2 ** -0.75);
  expect(emaDecay(2, "power")).toBe(1 - 2 ** -0.75);
  expect(emaDecay(1_000_000, 0.999)).toBe(0.999);
  expect(emaDecay(1_000_000, "power")).toBe(0.9999);
  expect(emaDecay(1_000_000, "official-noop")).toBe(0);
  expect(() => emaDecay(5, 1)).toThrow("must lie in [0, 1)");
});
