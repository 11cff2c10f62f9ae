// Float64 twin of engine/ops/dropout.ts, for plain memory.

import { type Key, uniformArray } from "../../engine/random.js";
import { type Array64, map } from "./array.js";

export function dropout(x: Array64, p: number, key: Readonly<Key>): Array64 {
  const u = uniformArray(key, x.data.length);
  return map(x, (v, i) => (u[i]! >= Math.fround(p) ? v / (1 - p) : 0));
}
