// Noise schedules: how much noise x_t holds at each of the T timesteps (Ho et al. 2020, section 2).
//
//   beta_t          the variance added in step t          alpha_t = 1 - beta_t
//   alphaBar_t      alpha_0 alpha_1 ... alpha_t            x_t = sqrt(alphaBar_t) x_0 + sqrt(1 - alphaBar_t) noise
//
// Numbers are PyTorch's float32 numbers: `f` marks every rounding. alphaBar comes from a sum of logarithms
// (float32 logs, summed in float64, rounded, exponentiated), as in the released code, not from a running product.

import { UsageError } from "../engine/errors.js";

/** Buffers of length T, named as in the released code. */
export interface Schedule {
  steps: number;
  betas: Float32Array;
  alphas: Float32Array;
  /** sqrt(beta) */
  sigmas: Float32Array;
  /** 1 / sqrt(alpha) */
  sqrtAlphasInv: Float32Array;
  alphaBars: Float32Array;
  sqrtAlphaBars: Float32Array;
  sqrtOneMinusAlphaBars: Float32Array;
  /** (1 - alpha) / sqrt(1 - alphaBar) */
  oneMinusAlphasOverSqrtOneMinusAlphaBars: Float32Array;
}

/** Bounds of beta for the cosine schedules. */
export interface CosineOptions {
  betaMin?: number;
  betaMax?: number;
}

const f = Math.fround;

/** beta from 1e-4 to 0.02 in equal steps, both scaled by 1000 / T: the paper's schedule at T = 1000. */
export function linear(steps = 1000): Schedule {
  if (steps <= 20)
    throw new UsageError(`linear schedule: ${steps} steps would end at beta = ${20 / steps}; use 21 or more.`);
  const scale = 1000 / steps;
  return schedule(linspace(scale * 1e-4, scale * 0.02, checked(steps)));
}

/**
 * Nichol and Dhariwal 2021, eq. 17, clipped:
 *
 *   beta_t = clip(1 - g((t + 1) / T) / g(t / T), betaMin, betaMax)        g(s) = cos^2(pi/2 (s + 0.008) / 1.008)
 */
export function cosine(steps = 1000, options: CosineOptions = {}): Schedule {
  return cosineWarped(steps, 1, options);
}

/** The cosine schedule with 1.008^k for 1.008. */
export function cosineWarped(steps = 1000, k = 1, { betaMin = 0, betaMax = 0.1 }: CosineOptions = {}): Schedule {
  const g = (s: number): number => Math.cos(((Math.PI / 2) * (s + 0.008)) / 1.008 ** k) ** 2;
  const beta = (t: number): number => Math.min(Math.max(1 - g((t + 1) / steps) / g(t / steps), betaMin), betaMax);
  return schedule(Float32Array.from({ length: checked(steps) }, (_, t) => beta(t)));
}

/** All buffers of a schedule from its betas, each in [0, 1). */
export function schedule(betas: Float32Array): Schedule {
  const wrong = betas.findIndex((beta) => !(beta >= 0 && beta < 1));
  if (wrong >= 0) throw new UsageError(`schedule: beta is ${betas[wrong]} at t = ${wrong}, but must lie in [0, 1).`);
  const alphas = betas.map((beta) => 1 - beta);
  let logSum = 0;
  const alphaBars = alphas.map((alpha) => {
    logSum += f(Math.log(alpha));
    return Math.exp(f(logSum));
  });
  const sqrtOneMinusAlphaBars = alphaBars.map((bar) => Math.sqrt(f(1 - bar)));
  return {
    steps: betas.length,
    betas,
    alphas,
    sigmas: betas.map(Math.sqrt),
    sqrtAlphasInv: alphas.map((alpha) => 1 / f(Math.sqrt(alpha))),
    alphaBars,
    sqrtAlphaBars: alphaBars.map(Math.sqrt),
    sqrtOneMinusAlphaBars,
    oneMinusAlphasOverSqrtOneMinusAlphaBars: alphas.map((alpha, t) => f(1 - alpha) / sqrtOneMinusAlphaBars[t]!),
  };
}

function checked(steps: number): number {
  if (Number.isInteger(steps) && steps >= 1) return steps;
  throw new UsageError(`schedule: ${steps} steps asked for, but it takes a whole number of at least 1.`);
}

/** PyTorch's float32 linspace: each half counts from its own end, with one rounding for the step and one for the sum. */
function linspace(start: number, end: number, n: number): Float32Array {
  const first = f(start);
  const last = f(end);
  const step = f(f(last - first) / (n - 1));
  return Float32Array.from({ length: n }, (_, i) =>
    i < Math.floor(n / 2) ? first + step * i : last - step * (n - 1 - i),
  );
}
