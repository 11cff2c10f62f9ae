// Softmax of attention's size: 48 heads of 256 queries, 256 keys.

import { softmax as op } from "../../engine/ops/softmax.js";
import { filled, type Group } from "../case.js";

/** x is read once and y written once: the least that any form must move. */
const [ROWS, COLS] = [12_288, 256];

export const softmax: Group = {
  stem: "softmax",
  make: () => {
    const x = filled([ROWS, COLS], 1);
    return [
      {
        name: `softmax ${ROWS} x ${COLS}`,
        work: { bytes: 8 * ROWS * COLS },
        floor: { reached: { lavapipe: 2.8, swiftshader: 13 } },
        allowed: 1e-5,
        run: () => op(x.t),
        check: async (y) => {
          const got = await y.read();
          return [0, 777, ROWS - 1].flatMap((row) => {
            const e = [...x.v.subarray(row * COLS, (row + 1) * COLS)].map(Math.exp);
            const sum = e.reduce((a, b) => a + b);
            return e.map((v, i) => [got[row * COLS + i]!, v / sum] as const);
          });
        },
      },
    ];
  },
};
