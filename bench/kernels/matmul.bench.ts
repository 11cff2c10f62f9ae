// Square products in the three forms that nets use: NT (linear), NN (its input gradient), TN (its weight gradient).

import { gemm } from "../../engine/ops/gemm.js";
import { empty } from "../../engine/tensor.js";
import { type Case, filled, type Group, places } from "../case.js";
import { matmulFloor } from "../floors.js";

/** y = x w^T, dx = dy w, dw = dy^T x. */
const forms = { NT: [true, true], NN: [true, false], TN: [false, false] } as const; // is k contiguous in a, in b?

/** out = a b of n x n matrices, each operand along or across its rows. Floors for the larger ones only. */
function product(n: number, form: keyof typeof forms): Case {
  const [aK, bK] = forms[form];
  const [a, b] = [filled([n, n], 1), filled([n, n], 2)];
  const sizes = {
    rows: n,
    cols: n,
    depth: n,
    a: { contiguous: aK, ld: n },
    b: { contiguous: bK, ld: n },
    out: { contiguous: true, ld: n },
  };
  return {
    name: `matmul ${n} ${form}`,
    work: { flops: 2 * n ** 3 },
    ...(n === 1024 ? { floor: matmulFloor } : {}),
    allowed: 1e-5,
    run: () => {
      const out = empty([n, n]);
      gemm(sizes, { a: a.t, b: b.t, out });
      return out;
    },
    check: async (y) => {
      const got = await y.read();
      const at = (v: Float32Array, contiguous: boolean, row: number, k: number) =>
        v[contiguous ? row * n + k : k * n + row]!;
      return places(n * n).map((i) => {
        let want = 0;
        for (let k = 0; k < n; k++) want += at(a.v, aK, Math.floor(i / n), k) * at(b.v, bK, i % n, k);
        return [got[i]!, want];
      });
    },
  };
}

/** 1024, and 512, where a tile's waste would show. */
export const matmul: Group = {
  stem: "matmul",
  make: () => [512, 1024].flatMap((n) => (["NT", "NN", "TN"] as const).map((form) => product(n, form))),
};
