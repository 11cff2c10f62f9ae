// How much of a product a workgroup and a lane of the broadcast family take: the choice that gemm_plan.ts makes its plans from.

import type { LaneSettings } from "../tuning/settings.js";
import type { Operand, SubgroupSize } from "./gemm_plan.js";

/** Rows a workgroup: 4, 8 or 16, where there are few, beat a half-empty tile by up to 2.3x. */
export const rowsOf = (m: number, most: number): number => Math.min(most, m <= 4 ? 4 : m <= 8 ? 8 : m <= 16 ? 16 : 32);

/** Rows a workgroup, vec4f columns a thread, k's a turn. */
export function tile(
  [m, n, k]: readonly [number, number, number],
  p: Operand,
  q: Operand,
  subgroup: SubgroupSize,
  settings: LaneSettings,
) {
  const rm = rowsOf(m, settings.rows);
  if (p.contiguous || q.contiguous) return { rm, ...alongK(rm, n, !p.contiguous || isApart(p.ld), subgroup, settings) };
  const ku = k % 2 === 0 ? 2 : 1; // the weight gradient's form: no operand has k contiguous
  return { rm, cn: ku === 2 && fillsTwo(n, subgroup) ? settings.columns : 1, ku };
}

/**
 * Vec4f columns a thread and k's a turn where k is contiguous. On lavapipe 2 and 2 take 0.7 to 0.85 of the time of 1 and 4 with 32
 * rows (CPU time, matmul and convolution of 32 to 1000 channels, 2026-11-24), except where half of a workgroup would have no
 * work, or where columns are not `apart`. With 16 rows they are equal, and one pipeline is enough. On SwiftShader 2 and 4 take 0.91 to 0.93.
 */
export function alongK(
  rm: number,
  n: number,
  apart: boolean,
  subgroup: SubgroupSize,
  { columns, depths, wideDepths }: LaneSettings,
): { cn: number; ku: number } {
  const wide = columns === 2 && rm === 32 && apart && fillsTwo(n, subgroup);
  return wide ? { cn: 2, ku: wideDepths } : { cn: 1, ku: depths };
}

/** Whether columns, `ld` elements from one to the next, do not all fall into the same lines of a cache of 32 KiB. */
export const isApart = (ld: number): boolean => ld % 1024 !== 0;

/** Whether workgroups of 2 vec4f's a lane leave hardly more lanes without a column than those of 1. */
function fillsTwo(n: number, subgroup: SubgroupSize): boolean {
  const one = 4 * subgroup;
  return 2 * one * Math.ceil(n / (2 * one)) <= 1.1 * one * Math.ceil(n / one);
}
