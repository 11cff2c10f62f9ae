// Nets that predict v rather than the noise (Salimans and Ho 2022, section 4):
//
//   v = sqrt(alphaBar) eps - sqrt(1 - alphaBar) x_0        eps = sqrt(alphaBar) v + sqrt(1 - alphaBar) x_t
//
// Samplers and losses go on speaking of eps. What it is for: x_0 = (x_t - sqrt(1 - alphaBar) eps) / sqrt(alphaBar) turns an error of
// 0.01 in eps at t = 980 into one of 1.3 in x_0, and a mean that is off by 0.01 hardly shows in the loss. The paper's net learns it in
// weeks; a net that is trained for an hour draws faces far too bright or too dark. An error of 0.01 in v is one of 0.01 in x_0.

import { add, mul } from "../engine/ops/binary.js";
import { scope } from "../engine/scope.js";
import { type Tensor, tensor } from "../engine/tensor.js";
import { linear } from "./schedule.js";

const { sqrtAlphaBars, sqrtOneMinusAlphaBars } = linear();

/** eps, from v (B, C, h, w) at x_t and t, one for each row. */
export function noiseFromVelocity(v: Tensor, x: Tensor, t: ArrayLike<number>): Tensor {
  return scope(() => add(mul(v, rows(sqrtAlphaBars, t)), mul(x, rows(sqrtOneMinusAlphaBars, t))));
}

/** values[t], a factor for each row of a (B, C, h, w). */
export const rows = (values: Float32Array, t: ArrayLike<number>): Tensor =>
  tensor(() => Float32Array.from(t, (i) => values[i]!), [t.length, 1, 1, 1]);
