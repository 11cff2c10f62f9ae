import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { batchNorm } from "../../engine/ops/batch_norm.js";
import { random } from "../../engine/random.js";
import { scope } from "../../engine/scope.js";
import { tensor, zeros } from "../../engine/tensor.js";
import { checkOp, compare, type OpCase } from "../check-op.js";
import { type Array64, array, count } from "../reference/array.js";
import type { BatchNormArgs } from "../reference/batch_norm.js";
import * as reference from "../reference/batch_norm.js";

type Parts = { x: Array64; w?: Array64; b?: Array64; mean?: Array64; variance?: Array64 };

const training = { training: true };
const affine = (x: number[]) => ({ x, w: [x[1]!], b: [x[1]!] });
const running = (c: number) => ({
  mean: { shape: [c], grad: false },
  variance: { shape: [c], range: [0.5, 2] as const, grad: false },
});
const cases: OpCase<BatchNormArgs>[] = [
  { why: "images", inputs: affine([3, 8, 5, 7]), args: training },
  { why: "channels that are no multiple of 4", inputs: affine([4, 6, 3, 3]), args: training },
  { why: "a matrix without weights", inputs: { x: [9, 32] }, args: training },
  { why: "a matrix with an odd number of columns", inputs: affine([9, 5]), args: training },
  { why: "a batch of one with several chunks", inputs: affine([1, 4, 40, 40]), args: training },
  {
    why: "eval: the running statistics are constants",
    inputs: { ...affine([3, 8, 5, 7]), ...running(8) },
    args: { training: false },
  },
  { why: "eval, plain, no weights", inputs: { x: [2, 6, 3, 3], ...running(6) }, args: { training: false } },
  {
    why: "eval with variances near eps",
    inputs: {
      ...affine([2, 8, 3, 3]),
      ...running(8),
      variance: { shape: [8], range: [1e-5, 1e-4], grad: false },
    },
    args: { training: false },
  },
  {
    why: "eval of more channels than a workgroup, to a multiple of 64 bytes",
    inputs: { ...affine([2, 80]), ...running(80) },
    args: { training: false },
  },
  { why: "eval of one value a channel", inputs: { ...affine([1, 12]), ...running(12) }, args: { training: false } },
];

checkOp<BatchNormArgs>(
  "batch_norm",
  ({ x, w, b, mean, variance }, args) =>
    batchNorm(x!, {
      ...args,
      weight: w,
      bias: b,
      runningMean: mean ?? zeros([x!.dim(1)]),
      runningVar: variance ?? zeros([x!.dim(1)]),
    }),
  (inputs, args) => reference.batchNorm(inputs as Parts, args),
  cases,
);

describe("running statistics", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  test("move by the momentum to the mean and the unbiased variance", async () => {
    const [channels, shape] = [80, [3, 80, 4, 5]]; // more than a workgroup, to a multiple of 64 bytes
    const u = random(1, "running").uniforms(count(shape));
    const x = array(shape, (i) => Math.fround(u[i]!));
    await scope(async () => {
      const runningMean = tensor(new Array(channels).fill(3));
      const runningVar = tensor(new Array(channels).fill(2));
      batchNorm(tensor(x.data, shape, "f32", "channels_last"), {
        runningMean,
        runningVar,
        training: true,
        momentum: 0.25,
      });
      const want = reference.channelStatistics(x, 1);
      compare(
        "mean",
        await runningMean.read(),
        want.map(({ mean }) => 2.25 + 0.25 * mean),
        1e-6,
      );
      compare(
        "variance",
        await runningVar.read(),
        want.map(({ variance }) => 1.5 + 0.25 * variance),
        1e-6,
      );
    });
  });

  test("a training batch of one value a channel is refused", () => {
    const run = () =>
      scope(() => batchNorm(zeros([1, 4]), { runningMean: zeros([4]), runningVar: zeros([4]), training: true }));
    expect(run).toThrow(/more than one value/);
  });
});
