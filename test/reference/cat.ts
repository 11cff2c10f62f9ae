// Float64 twin of engine/ops/cat.ts: a dimension cut into (outer, size, inner).

import { type Array64, array, count } from "./array.js";

export function slice(x: Array64, dim: number, start: number, end: number): Array64 {
  const size = x.shape[dim]!;
  const inner = count(x.shape.slice(dim + 1));
  const part = (end - start) * inner;
  const shape = x.shape.map((n, d) => (d === dim ? end - start : n));
  return array(shape, (e) => x.data[Math.floor(e / part) * size * inner + start * inner + (e % part)]!);
}

export function cat(xs: readonly Array64[], dim: number): Array64 {
  const first = xs[0]!;
  const inner = count(first.shape.slice(dim + 1));
  const size = xs.reduce((sum, x) => sum + x.shape[dim]!, 0);
  const y = array(first.shape.map((n, d) => (d === dim ? size : n)));
  let start = 0;
  for (const x of xs) {
    const part = x.shape[dim]! * inner;
    x.data.forEach((value, e) => {
      y.data[Math.floor(e / part) * size * inner + start * inner + (e % part)] = value;
    });
    start += x.shape[dim]!;
  }
  return y;
}
