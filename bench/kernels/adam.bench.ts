// One update of 10M parameters.

import { backward, keep } from "../../engine/index.js";
import { affine } from "../../engine/ops/unary.js";
import { Adam } from "../../engine/optim.js";
import { tensor } from "../../engine/tensor.js";
import { type Group, places, values } from "../case.js";

/** One bucket of flat.ts (128 MiB at most): one kernel for all, after the two that look for values that are not finite. */
const N = 10_000_000;
const LR = 1e-3;

export const adam: Group = {
  stem: "adam",
  make: () => {
    const v = values(N, 1);
    const w = keep(tensor(v, [N])).requiresGrad("w");
    const optimizer = new Adam([w]);
    const dy = tensor(values(N, 2), [N]);
    backward(affine(w, 1), dy);
    dy.dispose();
    return [
      {
        name: "Adam, 10M",
        work: { bytes: 32 * N }, // adam.wgsl 28, grad_norm.wgsl 4
        floor: { reached: { lavapipe: (19.6 * 32) / 28, swiftshader: (46 * 32) / 28 } }, // the reference is adam.wgsl alone
        allowed: 1e-5,
        run: () => {
          optimizer.step({ lr: LR });
          return w;
        },
        // The first update moves every weight by lr against the sign of its gradient (up to eps).
        check: async (y) => {
          const [got, g] = [await y.read(), await w.grad!.read()];
          return places(N).map((i) => [got[i]!, v[i]! - (LR * g[i]!) / (Math.abs(g[i]!) + 1e-8)]);
        },
      },
    ];
  },
};
