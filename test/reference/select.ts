// Float64 twin of engine/ops/select.ts.

import { type Array64, array, count } from "./array.js";

export function selectRows(flag: Array64, a: Array64, b: Array64): Array64 {
  const rest = a.shape.slice(1);
  const width = count(rest);
  return array([flag.data.length, ...rest], (e) => {
    const x = flag.data[Math.floor(e / width)] ? a : b;
    return x.data[e % x.data.length]!;
  });
}
