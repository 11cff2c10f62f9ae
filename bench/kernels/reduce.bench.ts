// The sum of 8M floats.

import { sum } from "../../engine/ops/reduce.js";
import { filled, type Group } from "../case.js";

/** 32 MiB: a gradient norm or a loss over whole images. */
const N = 8 * 2 ** 20;

export const reduce: Group = {
  stem: "reduce",
  make: () => {
    const x = filled([N], 1);
    for (let i = 0; i < N; i++) x.v[i]! += 0.5; // positive: a sum near zero would have no relative error
    x.t.write(x.v);
    return [
      {
        name: "sum 8M to a scalar",
        work: { bytes: 4 * N },
        floor: { reached: { lavapipe: 1.7, swiftshader: 5.4 } },
        allowed: 1e-5,
        run: () => sum(x.t),
        check: async (y) => [[await y.item(), x.v.reduce((a, b) => a + b, 0)]],
      },
    ];
  },
};
