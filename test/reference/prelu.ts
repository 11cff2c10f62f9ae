// Float64 twin of engine/ops/prelu.ts.

import { type Array64, count, map } from "./array.js";

export function prelu(x: Array64, w: Array64): Array64 {
  const pixels = count(x.shape.slice(2));
  return map(x, (v, e) => (v > 0 ? v : w.data[Math.floor(e / pixels) % w.data.length]! * v));
}
