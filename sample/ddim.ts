// Deterministic sampling (Song et al. 2021) and its one step, which the two-stage sampler shares.

import { UsageError } from "../engine/errors.js";
import { add, mul, sub } from "../engine/ops/binary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

/** One jump of the sampler: a and aNext are alphaBar at t and at the next, smaller t. */
export interface Jump {
  t: number;
  a: number;
  aNext: number;
}

/**
 * The jumps of DDIM, noisy to clean: t = (steps - 1) skip, ..., 2 skip, skip, 0 with skip = floor(T / steps).
 *
 * `official`: aNext lags by one t, as in the released code (docs/quirks.md): with T = 1000 and 50 steps it is
 * alphaBar at t - 21, and 1 already at t = 20. Without: alphaBar at t - 20, and 1 at t = 0 (Song et al. 2021).
 */
export function ddimJumps(alphaBars: Float32Array, steps: number, official = true): Jump[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > alphaBars.length) {
    throw new UsageError(`DDIM: ${steps} steps asked for, but the schedule has 1 to ${alphaBars.length}.`);
  }
  const skip = Math.floor(alphaBars.length / steps);
  const at = (t: number): number => (t < 0 ? 1 : alphaBars[t]!);
  const visited = Array.from({ length: steps }, (_, k) => (steps - 1 - k) * skip);
  return visited.map((t) => ({ t, a: at(t), aNext: at(t - skip - (official ? 1 : 0)) }));
}

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
