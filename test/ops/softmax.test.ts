import { softmax } from "../../engine/ops/softmax.js";
import { checkOp, FULL_ROWS } from "../check-op.js";
import * as reference from "../reference/softmax.js";

checkOp<number | undefined>(
  "softmax",
  ({ x }, dim) => softmax(x!, dim),
  ({ x }, dim) => reference.softmax(x!, dim),
  [
    { why: "one row shorter than a workgroup", inputs: { x: [1, 7] } },
    { why: "a row one longer than a workgroup", inputs: { x: [3, 257] } },
    { why: "a row of vec4's longer than a workgroup", inputs: { x: [2, 1028] } },
    { why: "rows that fill the registers of a subgroup, or half of them", inputs: { x: [3, 256] } },
    { why: "one vec4 more than a lane's register each, in more rows than a subgroup takes", inputs: { x: [37, 68] } },
    { why: "a column alone gives 1", inputs: { x: [5, 1] } },
    { why: "logits of 10,000 do not overflow", inputs: { x: [4, 33] }, range: [-1e4, 1e4] },
    { why: "equal logits give 1/C", inputs: { x: [2, 64] }, range: [5, 5] },
    { why: "channels, and of channels_last", inputs: { x: [2, 8, 3, 5] }, args: 1 },
    { why: "a middle dimension", inputs: { x: [2, 17, 5] }, args: 1 },
    { why: "workgroups of rows, all full", inputs: { x: [FULL_ROWS, 6] } },
    { why: "an odd number of rows, ending at a multiple of 64 bytes", inputs: { x: [5, 16] } },
    { why: "the last dimension of images", inputs: { x: [2, 4, 3, 8] }, args: -1 },
  ],
);

checkOp(
  "softmax of many rows",
  ({ x }) => softmax(x!),
  ({ x }) => reference.softmax(x!),
  [{ why: "more rows than one grid dimension holds", inputs: { x: [65_537, 2] } }],
  { samples: 4, families: ["tiled"] },
);
