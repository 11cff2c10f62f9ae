import { selectRows } from "../../engine/ops/select.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/select.js";

const many = { shape: [80], dtype: "u32", range: [0, 2] } as const;
const flag = { shape: [5], dtype: "u32", values: [1, 0, 0, 2, 0] } as const;

checkOp(
  "selectRows",
  ({ flag, a, b }) => selectRows(flag!, a!, b!),
  ({ flag, a, b }) => reference.selectRows(flag!, a!, b!),
  [
    { why: "images in both layouts", inputs: { flag, a: [5, 4, 3, 3], b: [5, 4, 3, 3] } },
    { why: "rows of an odd width", inputs: { flag, a: [5, 7], b: [5, 7] } },
    { why: "one row in place of all others: the empty context", inputs: { flag, a: [5, 12], b: [1, 12] } },
    { why: "several workgroups, to a multiple of 64 bytes", inputs: { flag: many, a: [80, 52], b: [80, 52] } },
    { why: "one row on the left", inputs: { flag, a: [1, 3], b: [5, 3] } },
  ],
);
