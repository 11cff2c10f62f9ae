import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { l2Normalize } from "../../engine/ops/l2_normalize.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { checkOp, FULL_ROWS } from "../check-op.js";
import * as reference from "../reference/l2_normalize.js";

interface Args {
  dim?: number;
  eps?: number;
}
checkOp<Args>(
  "l2_normalize",
  ({ x }, { dim, eps }) => l2Normalize(x!, dim, eps),
  ({ x }, { dim, eps }) => reference.l2Normalize(x!, dim, eps),
  [
    { why: "a row of vec4's", inputs: { x: [3, 40] }, args: {} },
    { why: "a row longer than a workgroup, no multiple of 4", inputs: { x: [2, 301] }, args: {} },
    { why: "shorter than eps: the divisor is constant", inputs: { x: [3, 8] }, args: { eps: 100 } },
    { why: "channels of images", inputs: { x: [2, 8, 3, 3] }, args: { dim: 1 } },
    { why: "a middle dimension", inputs: { x: [2, 5, 3] }, args: { dim: 1 } },
    { why: "workgroups of rows, all full", inputs: { x: [FULL_ROWS, 6] }, args: {} },
    { why: "an odd number of rows, ending at a multiple of 64 bytes", inputs: { x: [5, 16] }, args: {} },
  ],
);

checkOp<Args>(
  "l2_normalize without gradient",
  ({ x }) => l2Normalize(x!),
  ({ x }) => reference.l2Normalize(x!),
  [{ why: "a row of zeros stays zero", inputs: { x: [2, 8] }, range: [0, 0], args: {}, allowed: 0 }],
  { grad: false },
);

test("a norm of exactly eps passes its gradient, as PyTorch's clamp_min does", async () => {
  const dev = await openDevice({ poison: true });
  try {
    for (const family of ["broadcast", "tiled"] as const) {
      dev.family = family;
      const x = tensor([[3, 4]]).requiresGrad("x");
      scope(() => backward(l2Normalize(x, -1, 5), tensor([[1, 0]])));
      const [a, b] = await x.grad!.read();
      expect(a).toBeCloseTo((1 - 0.36) / 5, 6);
      expect(b).toBeCloseTo(-0.48 / 5, 6);
      x.dispose();
    }
  } finally {
    dev.close();
  }
});
