import { embedding } from "../../engine/ops/embedding.js";
import { checkOp } from "../check-op.js";
import * as reference from "../reference/embedding.js";

/** Ids whose first place is behind the first workgroups. */
const late = Array.from({ length: 80 }, (_, i) => i % (i < 60 ? 5 : 9));

checkOp(
  "embedding",
  ({ ids, w }) => embedding(ids!, w!),
  ({ ids, w }) => reference.embedding(ids!, w!),
  [
    {
      why: "repeated ids add up, untouched rows get 0",
      inputs: { ids: { shape: [2, 3], dtype: "u32", values: [1, 7, 1, 0, 1, 7] }, w: [8, 6] },
    },
    { why: "rows of vec4's", inputs: { ids: { shape: [70], dtype: "u32", range: [0, 9] }, w: [9, 12] } },
    {
      why: "a repeat right after the first",
      inputs: { ids: { shape: [3], dtype: "u32", values: [1, 1, 0] }, w: [2, 4] },
    },
    {
      why: "the GPU cannot refuse an id: one that is too large takes the last row",
      inputs: { ids: { shape: [6], dtype: "u32", values: [8, 1, 7, 9, 4294967295, 0] }, w: [8, 6] },
    },
    {
      why: "several workgroups, to a multiple of 64 bytes",
      inputs: { ids: { shape: [80], dtype: "u32", values: late }, w: [10, 52] }, // the last row stays untouched
    },
    { why: "one id", inputs: { ids: { shape: [1], dtype: "u32", values: [2] }, w: [3, 5] } },
  ],
  { samples: 600 }, // all: most rows of a gradient are sums, and the rest are 0
);
