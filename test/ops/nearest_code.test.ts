import { expect, test } from "vitest";
import { openDevice } from "../../engine/device.js";
import { nearestCode } from "../../engine/ops/nearest_code.js";
import { zeros } from "../../engine/tensor.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/nearest_code.js";

checkOp(
  "nearest_code",
  ({ z, codebook }) => nearestCode(z!, codebook!),
  ({ z, codebook }) => reference.nearestCode(z!, codebook!),
  [
    { why: "more rows than a workgroup", inputs: { z: [37, 3], codebook: [50, 3] } },
    { why: "another size of code", inputs: { z: [5, 4], codebook: [9, 4] } },
    {
      why: "of two equal codes the first",
      inputs: { z: [3, 3], codebook: { shape: [3, 3], values: [9, 9, 9, 0, 0, 0, 0, 0, 0] } },
    },
    { why: "the last code", inputs: { z: [1, 3], codebook: { shape: [2, 3], values: [5, 5, 5, 0, 0, 0] } } },
  ],
  { grad: false },
);

test("codes of another size are refused with both shapes", async () => {
  const dev = await openDevice();
  try {
    expect(() => nearestCode(zeros([4, 3]), zeros([9, 4]))).toThrow(/\(4, 3\).*\(9, 4\)/);
  } finally {
    dev.close();
  }
});
