import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { prelu } from "../../engine/ops/prelu.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp, WHOLE } from "../check-op.js";
import * as reference from "../reference/prelu.js";

checkOp(
  "prelu",
  ({ x, w }) => prelu(x!, w!),
  ({ x, w }) => reference.prelu(x!, w!),
  [
    { why: "both layouts", inputs: { x: [2, 8, 3, 5], w: [8] } },
    { why: "both layouts, channels enough for a thread", inputs: { x: [2, 32, 3, 5], w: [32] } },
    { why: "channels no multiple of 4", inputs: { x: [2, 6, 3, 3], w: [6] } },
    { why: "rows of features", inputs: { x: [5, 12], w: [12] } },
    { why: "rows of features, an odd number", inputs: { x: [5, 7], w: [7] } },
    { why: "one slope for all", inputs: { x: [2, 4, 3, 3], w: [1] } },
    { why: "one item: nothing is summed over items", inputs: { x: [1, 4, 3, 3], w: [4] } },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { x: [WHOLE / 48, 48], w: [48] } },
    { why: "many pixels", inputs: { x: [2, 4, 60, 61], w: [4] } },
  ],
);

test("at 0 the slope is w, as PyTorch has it", async () => {
  const dev = await openDevice({ poison: true });
  try {
    const x = tensor([[-1], [0], [1]]).requiresGrad("x");
    const w = tensor([0.25]).requiresGrad("w");
    scope(() => backward(prelu(x, w), tensor([[1], [1], [1]])));
    expect([...(await x.grad!.read())]).toEqual([0.25, 0.25, 1]);
    expect([...(await w.grad!.read())]).toEqual([-1]);
  } finally {
    dev.close();
  }
});
