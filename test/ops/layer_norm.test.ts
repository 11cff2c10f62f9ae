import { layerNorm } from "../../engine/ops/layer_norm.js";
import { checkOp, FULL_ROWS } from "../check-op.js";
import * as reference from "../reference/layer_norm.js";

checkOp(
  "layer_norm",
  ({ x, w, b }) => layerNorm(x!, w!, b!),
  ({ x, w, b }) => reference.layerNorm(x!, w!, b!),
  [
    { why: "a row of vec4's", inputs: { x: [5, 64], w: [64], b: [64] } },
    { why: "columns that are no multiple of 4", inputs: { x: [2, 3, 10], w: [10], b: [10] } },
    { why: "a row longer than a workgroup", inputs: { x: [2, 515], w: [515], b: [515] } },
    { why: "workgroups of rows, all full", inputs: { x: [FULL_ROWS, 6], w: [6], b: [6] } },
    { why: "an odd number of rows, ending at a multiple of 64 bytes", inputs: { x: [5, 16], w: [16], b: [16] } },
    { why: "the last dimension of images", inputs: { x: [2, 4, 3, 8], w: [8], b: [8] } },
    {
      why: "a mean 100 times the spread",
      inputs: { x: { shape: [3, 32], range: [99, 101] }, w: [32], b: [32] },
      allowed: 3e-5,
    },
  ],
);
