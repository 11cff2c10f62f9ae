// Maps over 8M floats: one sum of two tensors, one function.

import { add } from "../../engine/ops/binary.js";
import { silu } from "../../engine/ops/unary.js";
import type { Tensor } from "../../engine/tensor.js";
import { type Case, filled, type Group, places } from "../case.js";

/** The size of the copy ceiling. */
const N = 8 * 2 ** 20;
const MB = N * 4e-6;

export const elementwise: Group = {
  stem: "elementwise",
  make: () => {
    const [a, b] = [filled([N], 1), filled([N], 2)];
    return [
      // reference kernels: add 17.2 and 6.9 GB/s, SiLU 14 and 5.2.
      map(
        "add 8M",
        3,
        [17.2, 6.9],
        () => add(a.t, b.t),
        (i) => a.v[i]! + b.v[i]!,
      ),
      map(
        "SiLU 8M",
        2,
        [14, 5.2],
        () => silu(a.t),
        (i) => a.v[i]! / (1 + Math.exp(-a.v[i]!)),
      ),
    ];
  },
};

/** A map that moves `passes` tensors and reached these rates (lavapipe, SwiftShader) as a reference kernel. */
function map(
  name: string,
  passes: number,
  reached: [number, number],
  op: () => Tensor,
  want: (i: number) => number,
): Case {
  const [lavapipe, swiftshader] = reached.map((rate) => (passes * MB) / rate) as [number, number];
  return {
    name,
    work: { bytes: passes * 4 * N },
    floor: { reached: { lavapipe, swiftshader } },
    allowed: 1e-6,
    run: op,
    check: async (y) => {
      const got = await y.read();
      return places(N).map((i) => [got[i]!, want(i)]);
    },
  };
}
