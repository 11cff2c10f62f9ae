// matmul: y = a b

import { matmul as op } from "../../engine/ops/matmul.js";
import { empty } from "../../engine/tensor.js";
import { type Case, filled, type Group, places } from "../case.js";
import { rung, type Task } from "./rung.js";

/** a: (M, K), b: (K, N). */
export function matmulRungs(M: number, N: number, K: number): Case[] {
  const [a, b] = [filled([M, K], 1), filled([K, N], 2)];
  const task: Task = {
    work: { flops: 2 * M * N * K },
    allowed: 1e-5,
    check: async (y) => {
      const got = await y.read();
      return places(M * N).map((i) => {
        let want = 0;
        for (let k = 0; k < K; k++) want += a.v[Math.floor(i / N) * K + k]! * b.v[k * N + (i % N)]!;
        return [got[i]!, want];
      });
    },
  };
  const step = (name: string, columns: number, rows: number) =>
    rung(name, task, {
      tensors: { a: a.t, b: b.t },
      make: () => empty([M, N]),
      params: { M, N, K },
      launch: { workgroups: [Math.ceil(N / columns), Math.ceil(M / rows)] },
    });
  return [
    step("matmul_1_naive", 8, 8),
    step("matmul_2_tile", 16, 16),
    step("matmul_3_vec4", 32, 8),
    step("matmul_4_registers", 32, 32),
    {
      ...task,
      name: "the engine's matmul",
      why: "On a GPU tiles of 64 x 64 in workgroup memory feed blocks in registers (matmul_tiled.wgsl). In software every lane loads another vec4f and the subgroup spreads it in registers, because each load is a gather (matmul_broadcast.wgsl).",
      run: () => op(a.t, b.t),
    },
  ];
}

export const matmulLadder: Group = { stem: "matmul", make: () => matmulRungs(512, 512, 512) };
