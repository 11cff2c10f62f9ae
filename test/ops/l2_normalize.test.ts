import { l2Normalize } from "../../engine/ops/l2_normalize.js";
import { checkOp } from "../check-op.js";
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
  ],
);

checkOp<Args>(
  "l2_normalize without gradient",
  ({ x }) => l2Normalize(x!),
  ({ x }) => reference.l2Normalize(x!),
  [{ why: "a row of zeros stays zero", inputs: { x: [2, 8] }, range: [0, 0], args: {}, allowed: 0 }],
  { grad: false },
);
