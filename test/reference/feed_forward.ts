// float64 twin of engine/ops/feed_forward.ts.

import { type Array64, map } from "./array.js";
import { linearChannels } from "./linear.js";
import { gelu } from "./unary.js";

/** x (B, C, L), w1 (H, C), bias1 (H), w2 (O, H), bias2 (O), plus (B, O, L). */
export function feedForward(
  x: Array64,
  [w1, bias1]: readonly [Array64, Array64],
  [w2, bias2]: readonly [Array64, Array64],
  plus: Array64,
): Array64 {
  const y = linearChannels(gelu(linearChannels(x, w1, bias1)), w2, bias2);
  return map(y, (v, i) => v + plus.data[i]!);
}
