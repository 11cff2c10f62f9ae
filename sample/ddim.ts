// Deterministic sampling (Song et al. 2021) and its one step, which the two-stage sampler shares.

import { add, mul, sub } from "../engine/ops/binary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";
import type { Jump } from "./schedule.js";

/**
 * One step of DDIM with eta = 0 (eq. 12):
 *
 *   x0 = (x - sqrt(1 - a) e) / sqrt(a)             e: the noise predicted at t
 *   x' = sqrt(aNext) x0 + sqrt(1 - aNext) e
 */
export function ddimStep(x: Tensor, e: Tensor, { a, aNext }: Jump): Tensor {
  return scope(() => {
    const x0 = mul(sub(x, mul(e, Math.sqrt(1 - a))), 1 / Math.sqrt(a));
    return add(mul(x0, Math.sqrt(aNext)), mul(e, Math.sqrt(1 - aNext)));
  });
}

/** DDIM: walks x_T to x_0. x and the result: (B, 3, h, w). `denoise` predicts the noise in x at t. */
export function ddim(denoise: (x: Tensor, t: number) => Tensor, x: Tensor, jumps: readonly Jump[]): Tensor {
  let at = x;
  for (const jump of jumps) {
    const next = scope(() => ddimStep(at, denoise(at, jump.t), jump));
    if (at !== x) at.dispose();
    at = next;
  }
  return at;
}
