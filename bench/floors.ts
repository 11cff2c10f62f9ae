// The least that a row may reach, as a share of a ceiling of the same run. The milliseconds in bench/kernels are those of
// throw-away reference kernels on two cores of an AMD EPYC (2026-11-24; SwiftShader 5.0, lavapipe of Mesa 25.0.7); half of what
// they reached is asked, since a difference of 1.5x between processes was seen.

import type { AdapterKind } from "../engine/adapter.js";
import type { Case, PerAdapter } from "./case.js";

/** A third (lavapipe), a tenth (SwiftShader) of the unrolled FMA ceiling. */
export const matmulFloor = { share: { lavapipe: 0.3, swiftshader: 0.1 } };
/** Direct convolution, forward. */
export const convFloor = { share: { lavapipe: 0.35, swiftshader: 0.1 } };
/** A gradient against its forward. */
const GRADIENT = 0.7;
/** GB/s of the reference kernels' elementwise copy. */
const copied: PerAdapter = { lavapipe: 17, swiftshader: 6.9 };

/** GFLOP/s or GB/s. */
export const rateOf = (work: Case["work"], ms: number): number =>
  ("flops" in work ? work.flops : work.bytes) / 1e6 / ms;

/** The floor of a row as a rate, in its own unit; undefined where none is known (GPUs, rows without one). */
export function floorOf(
  { work, floor }: Case,
  kind: AdapterKind | "browser",
  ceiling: number,
  rates: ReadonlyMap<string, number>,
): number | undefined {
  if (!floor || (kind !== "lavapipe" && kind !== "swiftshader")) return undefined;
  if ("share" in floor) return floor.share[kind] * ceiling;
  if ("reached" in floor) return (0.5 * rateOf(work, floor.reached[kind]) * ceiling) / copied[kind];
  const forward = rates.get(floor.rateOf);
  return forward && GRADIENT * forward;
}
