// The recogniser's loss over CASIA's 10,572 identities, with its gradient.

import { crossEntropy as op } from "../../engine/ops/cross_entropy.js";
import { keep } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { filled, type Group, places } from "../case.js";

/** The batch of a recogniser on one GPU; the number of identities is no multiple of 16. */
const [ROWS, COLS] = [64, 10_572];

export const crossEntropy: Group = {
  stem: "cross_entropy",
  make: () => {
    const logits = filled([ROWS, COLS], 1);
    const labels = tensor(
      Uint32Array.from({ length: ROWS }, (_, r) => (r * 101) % COLS),
      [ROWS],
      "u32",
    );
    const leaf = keep(logits.t.alias()).requiresGrad("logits");
    return [
      {
        name: `cross-entropy ${ROWS} x ${COLS} with gradient`,
        work: { bytes: 12 * ROWS * COLS }, // logits twice, their gradient
        floor: { reached: { lavapipe: 1.5, swiftshader: 3.3 } },
        allowed: 1e-5,
        run: () => {
          leaf.gradIsStale = true;
          backward(op(leaf, labels));
          return leaf.grad!;
        },
        check: async (y) => {
          const got = await y.read();
          const row = logits.v.subarray(0, COLS); // of label 0
          const sum = row.reduce((a, v) => a + Math.exp(v), 0);
          return places(COLS).map((c) => [got[c]!, (Math.exp(row[c]!) / sum - (c === 0 ? 1 : 0)) / ROWS]);
        },
      },
    ];
  },
};
