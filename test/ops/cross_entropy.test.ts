import { crossEntropy } from "../../engine/ops/cross_entropy.js";
import { checkOp, FULL_ROWS } from "../check-op.js";
import * as reference from "../reference/cross_entropy.js";

const labels = (rows: number, classes: number) => ({
  shape: [rows],
  range: [0, classes] as const,
  dtype: "u32" as const,
});
/** Two rows of 700: 0 but for one place, in the second chunk of 64 and behind the first 256. */
const peaks = Array.from({ length: 1400 }, (_, i) => (i === 100 || i === 1300 ? 1e4 : 0));

checkOp<number>(
  "cross_entropy",
  ({ x, t }, labelSmoothing) => crossEntropy(x!, t!, { labelSmoothing }),
  ({ x, t }, smoothing) => reference.crossEntropy(x!, t!, smoothing),
  [
    { why: "few classes, an odd number", inputs: { x: [6, 11], t: labels(6, 11) }, args: 0 },
    { why: "label smoothing", inputs: { x: [6, 11], t: labels(6, 11) }, args: 0.1 },
    {
      why: "several chunks, the last one short",
      inputs: { x: [3, 1003], t: labels(3, 1003) },
      args: 0.1,
      range: [-64, 64],
    },
    {
      why: "workgroups of rows, all full, in two chunks a row",
      inputs: { x: [FULL_ROWS, 70], t: labels(FULL_ROWS, 70) },
      args: 0.1,
    },
    {
      why: "labels in vec4's that lie in two rows",
      inputs: { x: [6, 11], t: { shape: [6], dtype: "u32", values: [10, 0, 10, 0, 10, 0] } },
      args: 0,
    },
    { why: "one row, one class more than a chunk", inputs: { x: [1, 65], t: labels(1, 65) }, args: 0 },
  ],
  { samples: 70 },
);

checkOp<number>(
  "cross_entropy without gradient",
  ({ x, t }) => crossEntropy(x!, t!),
  ({ x, t }) => reference.crossEntropy(x!, t!),
  [
    {
      why: "logits of 10,000 do not overflow",
      inputs: { x: { shape: [4, 33], range: [-1e4, 1e4] }, t: labels(4, 33) },
    },
    {
      why: "... nor where the largest is behind the first workgroup or chunk",
      inputs: { x: { shape: [2, 700], values: peaks }, t: labels(2, 700) },
    },
  ],
  { grad: false },
);
