import { prelu } from "../../engine/ops/prelu.js";
import { checkOp } from "../check-op.js";
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
    { why: "many pixels", inputs: { x: [2, 4, 60, 61], w: [4] } },
  ],
);
