// Float64 twin of engine/ops/group_norm.ts.

import { type Array64, count, map } from "./array.js";

export interface GroupNormArgs {
  groups: number;
  eps?: number;
  silu?: boolean;
}

/** x (B, C, ...), w, b (C), and perhaps modulation (B, 2 C): scale, then shift. */
export function groupNorm(
  { x, w, b, modulation: m }: { x: Array64; w: Array64; b: Array64; modulation?: Array64 | undefined },
  { groups, eps = 1e-5, silu = false }: GroupNormArgs,
): Array64 {
  const channels = x.shape[1]!;
  const pixels = count(x.shape.slice(2));
  const n = (channels / groups) * pixels; // a group is a run of x
  const statistics = Array.from({ length: x.data.length / n }, (_, i) => {
    const run = x.data.subarray(i * n, (i + 1) * n);
    const mean = run.reduce((a, v) => a + v, 0) / n;
    const variance = run.reduce((a, v) => a + (v - mean) ** 2, 0) / n;
    return { mean, rstd: 1 / Math.sqrt(variance + eps) };
  });
  return map(x, (v, i) => {
    const { mean, rstd } = statistics[Math.floor(i / n)]!;
    const bc = Math.floor(i / pixels);
    let z = (v - mean) * rstd * w.data[bc % channels]! + b.data[bc % channels]!;
    const at = bc + Math.floor(bc / channels) * channels;
    if (m) z = z * (1 + m.data[at]!) + m.data[at + channels]!;
    return silu ? z / (1 + Math.exp(-z)) : z;
  });
}
