// float64 twin of engine/ops/nearest_code.ts.

import { type Array64, array } from "./array.js";

/** (N) indices. */
export function nearestCode(z: Array64, codebook: Array64): Array64 {
  const D = z.shape[1]!;
  return array([z.shape[0]!], (r) => {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < codebook.shape[0]!; i++) {
      let distance = 0;
      for (let d = 0; d < D; d++) distance += (z.data[r * D + d]! - codebook.data[i * D + d]!) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  });
}
