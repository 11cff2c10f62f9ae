// Ancestral sampling (Ho et al. 2020, algorithm 2), with guidance as IDiff-Face defines it.

import { add, mul, sub } from "../engine/ops/binary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";
import type { Schedule } from "../models/schedule.js";

export interface DdpmOptions {
  /** The noise added at step t: (B, 3, h, w), like x. */
  noise: (t: number) => Tensor;
  /** The released code adds no noise at t = 1 either (docs/quirks.md). Default true. */
  noNoiseAtOne?: boolean;
  /** The last step taken; the result is x after it. Default 0. */
  until?: number;
  /** Sees x after each step; must not keep it without keep(). */
  onStep?: (t: number, x: Tensor) => void | Promise<void>;
}

/**
 * DDPM: T steps from x_T to x_0, or to x_until.
 *
 *   x' = (x - e (1 - alpha) / sqrt(1 - alphaBar)) / sqrt(alpha) + sqrt(beta) z           e = denoise(x, t)
 */
export async function ddpm(
  denoise: (x: Tensor, t: number) => Tensor,
  x: Tensor,
  schedule: Schedule,
  { noise, noNoiseAtOne = true, until = 0, onStep }: DdpmOptions,
): Promise<Tensor> {
  const quietest = noNoiseAtOne ? 1 : 0;
  let at = x;
  for (let t = schedule.steps - 1; t >= until; t--) {
    const next = scope(() => {
      const step = mul(denoise(at, t), schedule.oneMinusAlphasOverSqrtOneMinusAlphaBars[t]!);
      const mean = mul(sub(at, step), schedule.sqrtAlphasInv[t]!);
      return t > quietest ? add(mean, mul(noise(t), schedule.sigmas[t]!)) : mean;
    });
    if (at !== x) at.dispose();
    at = next;
    await onStep?.(t, at);
  }
  return at;
}

/** Classifier-free guidance in IDiff-Face's form: e = (1 - g) e_uncond + g e_cond. UIFace's cfg_scale w is g - 1. */
export const guided = (eUncond: Tensor, eCond: Tensor, g: number): Tensor => add(mul(eUncond, 1 - g), mul(eCond, g));
