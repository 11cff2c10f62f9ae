import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { avgPool2d, globalAvgPool, maxPool2d } from "../../engine/ops/pool.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import type { PoolArgs } from "../reference/pool.js";
import * as reference from "../reference/pool.js";
import { mean } from "../reference/reduce.js";

checkOp<PoolArgs>(
  "max_pool2d",
  ({ x }, args) => maxPool2d(x!, args),
  ({ x }, args) => reference.maxPool2d(x!, args),
  [
    { why: "kernel 1, stride 2 only picks", inputs: { x: [2, 3, 7, 7] }, args: { kernel: 1, stride: 2 } },
    { why: "overlapping windows", inputs: { x: [2, 8, 9, 7] }, args: { kernel: 3, stride: 2 } },
    {
      why: "padding is no value: all below zero",
      inputs: { x: [2, 8, 8, 6] },
      args: { kernel: 3, stride: 2, padding: 1 },
      range: [-9, -3],
    },
    {
      why: "one window a plane: that of the next plane is no neighbour",
      inputs: { x: [2, 3, 2, 2] },
      args: { kernel: 3, stride: 2, padding: 1 },
    },
    { why: "stride 1", inputs: { x: [1, 4, 5, 5] }, args: { kernel: 3, stride: 1, padding: 1 } },
    {
      why: "several workgroups, to a multiple of 64 bytes",
      inputs: { x: [2, 12, 10, 8] },
      args: { kernel: 2, stride: 2 },
    },
    { why: "pixels behind the last window", inputs: { x: [2, 4, 8, 7] }, args: { kernel: 2, stride: 3 } },
  ],
);

checkOp<PoolArgs>(
  "avg_pool2d",
  ({ x }, args) => avgPool2d(x!, args),
  ({ x }, args) => reference.avgPool2d(x!, args),
  [
    { why: "windows side by side", inputs: { x: [2, 3, 8, 8] }, args: { kernel: 2, stride: 2 } },
    {
      why: "several workgroups, to a multiple of 64 bytes",
      inputs: { x: [2, 12, 10, 8] },
      args: { kernel: 2, stride: 2 },
    },
    { why: "the padding counts", inputs: { x: [2, 8, 8, 5] }, args: { kernel: 3, stride: 1, padding: 1 } },
    { why: "pixels behind the last window", inputs: { x: [2, 4, 8, 7] }, args: { kernel: 2, stride: 3 } },
  ],
);

checkOp(
  "global_avg_pool",
  ({ x }) => globalAvgPool(x!),
  ({ x }) => mean(x!, { dims: [2, 3], keepdim: true }),
  [
    { why: "either layout", inputs: { x: [2, 8, 5, 7] } },
    { why: "channels that are no multiple of 4", inputs: { x: [2, 3, 8, 8] } },
  ],
);

describe("max_pool2d", () => {
  let dev: Device;
  beforeAll(async () => {
    dev = await openDevice({ poison: true });
  });
  afterAll(() => dev.close());

  test("of equal values the first gets the gradient, as in PyTorch", async () => {
    for (const layout of ["plain", "channels_last"] as const) {
      const x = tensor(new Array(36).fill(1), [1, 4, 3, 3], "f32", layout).requiresGrad();
      scope(() =>
        backward(
          maxPool2d(x, { kernel: 2, stride: 1 }),
          tensor(
            Array.from({ length: 16 }, (_, i) => i + 1),
            [1, 4, 2, 2],
          ),
        ),
      );
      expect([...(await x.grad!.read()).slice(0, 9)]).toEqual([1, 2, 0, 3, 4, 0, 0, 0, 0]);
    }
  });

  test("a padding above half the kernel is refused: a window could hold no pixel", () => {
    expect(() => scope(() => maxPool2d(tensor([1], [1, 1, 1, 1]), { kernel: 1, stride: 1, padding: 1 }))).toThrow(
      /half the kernel/,
    );
  });
});
