// softmax over rows

import { softmax as op } from "../../engine/ops/softmax.js";
import { emptyLike } from "../../engine/tensor.js";
import { type Case, filled, type Group } from "../case.js";
import { rung, type Task } from "./rung.js";

/** x: (R, C). */
export function softmaxRungs(R: number, C: number): Case[] {
  const x = filled([R, C], 1);
  const task: Task = {
    work: { bytes: 8 * R * C },
    allowed: 1e-5,
    check: async (y) => {
      const got = await y.read();
      return [0, R >> 1, R - 1].flatMap((row) => {
        const e = [...x.v.subarray(row * C, (row + 1) * C)].map(Math.exp);
        const sum = e.reduce((a, b) => a + b);
        return e.map((v, i) => [got[row * C + i]!, v / sum] as const);
      });
    },
  };
  const step = (name: string, rowsAGroup: number, cols = C) =>
    rung(name, task, {
      tensors: { x: x.t },
      make: () => emptyLike(x.t),
      params: { rows: R, cols },
      launch: { workgroups: Math.ceil(R / rowsAGroup) },
    });
  return [
    step("softmax_1_naive", 64),
    step("softmax_2_tree", 1),
    step("softmax_3_online", 16, C / 4),
    {
      ...task,
      name: "the engine's softmax",
      why: "One exponential an element, vec4f: a workgroup a row on a GPU (softmax.wgsl), a row in the registers of a subgroup in software (softmax_lanes.wgsl).",
      run: () => op(x.t),
    },
  ];
}

export const softmaxLadder: Group = { stem: "softmax", make: () => softmaxRungs(12_288, 256) };
