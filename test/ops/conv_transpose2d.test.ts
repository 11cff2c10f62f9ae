import { convTranspose2d } from "../../engine/ops/conv_transpose2d.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/conv_transpose2d.js";
import type { ConvArgs } from "../reference/conv2d.js";

checkOp<ConvArgs>(
  "conv_transpose2d",
  ({ x, w, bias }, args) => convTranspose2d(x!, w!, bias, args),
  ({ x, w, bias }, args) => reference.convTranspose2d(x!, w!, bias, args),
  [
    {
      why: "the UNet's: 4x4, stride 2",
      inputs: { x: [2, 8, 3, 5], w: [8, 12, 4, 4], bias: [12] },
      args: { stride: 2, padding: 1 },
    },
    {
      why: "5 channels in, 6 out",
      inputs: { x: [2, 5, 4, 3], w: [5, 6, 4, 4], bias: [6] },
      args: { stride: 2, padding: 1 },
    },
    {
      why: "an odd output: the remainders differ in size",
      inputs: { x: [1, 4, 3, 4], w: [4, 4, 3, 3] },
      args: { stride: 2, padding: 1 },
    },
    {
      why: "stride above the kernel: places that get the bias alone",
      inputs: { x: [1, 4, 2, 3], w: [4, 8, 2, 2], bias: [8] },
      args: { stride: 3 },
    },
    { why: "stride 1", inputs: { x: [1, 8, 4, 4], w: [8, 4, 3, 3], bias: [4] }, args: { padding: 1 } },
    { why: "one pixel", inputs: { x: [1, 4, 1, 1], w: [4, 4, 4, 4], bias: [4] }, args: { stride: 2, padding: 1 } },
    { why: "uneven padding", inputs: { x: [1, 4, 3, 3], w: [4, 4, 4, 4] }, args: { stride: 2, padding: [0, 1, 2, 1] } },
  ],
);
