import { bilinear, upsampleNearest2 } from "../../engine/ops/interpolate.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/interpolate.js";

checkOp<[number, number]>(
  "bilinear",
  ({ x }, size) => bilinear(x!, size),
  ({ x }, size) => reference.bilinear(x!, size),
  [
    { why: "down by a little", inputs: { x: [2, 4, 8, 8] }, args: [7, 7] },
    { why: "down so far that pixels are left out", inputs: { x: [2, 3, 13, 9] }, args: [4, 2] },
    { why: "up by 4: weights beyond the border", inputs: { x: [2, 4, 8, 8] }, args: [32, 32] },
    { why: "up and down, odd", inputs: { x: [1, 8, 5, 11] }, args: [12, 7] },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { x: [2, 12, 4, 5] }, args: [10, 8] },
    { why: "one pixel becomes many", inputs: { x: [1, 4, 1, 1] }, args: [3, 5] },
    { why: "the same size changes nothing", inputs: { x: [1, 4, 5, 3] }, args: [5, 3] },
  ],
);

checkOp(
  "nearest2",
  ({ x }) => upsampleNearest2(x!),
  ({ x }) => reference.upsampleNearest2(x!),
  [
    { why: "channels_last and plain", inputs: { x: [2, 8, 3, 5] } },
    { why: "channels that are no multiple of 4", inputs: { x: [2, 3, 4, 4] } },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { x: [2, 12, 4, 5] } },
  ],
);
