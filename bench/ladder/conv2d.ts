// conv2d: 3 x 3, stride 1, padding 1, channels last

import { slide } from "../../engine/ops/convolution.js";
import { empty } from "../../engine/tensor.js";
import { type Case, filled, type Group, places } from "../case.js";
import { conv3x3 } from "../conv3x3.js";
import { rung, type Task } from "./rung.js";

/** x: (B, I, side, side), w: (O, I, 3, 3). */
export function conv2dRungs(B: number, I: number, O: number, side: number): Case[] {
  const x = filled([B, I, side, side], 1, "channels_last");
  const w = filled([O, I, 3, 3], 2, "channels_last");
  const make = () => empty([B, O, side, side], "f32", "channels_last");
  const size = B * O * side * side;
  const task: Task = {
    work: { flops: 18 * size * I },
    allowed: 3e-5,
    check: async (y) => {
      const got = await y.read();
      return places(size).map((i) => [got[i]!, forwardAt(x.v, w.v, { I, O, side }, i)]);
    },
  };
  const step = (name: string, elements: number) =>
    rung(name, task, {
      tensors: { x: x.t, w: w.t },
      make,
      params: { B, H: side, W: side, I, O },
      launch: { workgroups: Math.ceil(size / elements) },
    });
  return [
    step("conv2d_1_naive", 64),
    step("conv2d_2_vec4", 64),
    step("conv2d_3_registers", 16 * 32),
    {
      ...task,
      name: "the engine's conv2d",
      why: "The core of matmul with pixels as rows and taps by channels as depth: nothing is copied out. In software Winograd's transforms come before and after it where they pay (engine/ops/convolution.ts).",
      run: () => {
        const y = make();
        slide(conv3x3(B, I, O, side), { x: x.t, w: w.t, y });
        return y;
      },
    },
  ];
}

/** y at element i, of (B, O, side, side). */
function forwardAt(
  x: Float32Array,
  w: Float32Array,
  { I, O, side }: { I: number; O: number; side: number },
  i: number,
) {
  const [b, o] = [Math.floor(i / (O * side * side)), Math.floor(i / (side * side)) % O];
  const [row, column] = [Math.floor(i / side) % side, i % side];
  let sum = 0;
  for (let c = 0; c < I; c++) {
    for (let tap = 0; tap < 9; tap++) {
      const [r, s] = [row + Math.floor(tap / 3) - 1, column + (tap % 3) - 1];
      if (r < 0 || s < 0 || r >= side || s >= side) continue;
      sum += w[(o * I + c) * 9 + tap]! * x[((b * I + c) * side + r) * side + s]!;
    }
  }
  return sum;
}

export const conv2dLadder: Group = { stem: "conv2d", make: () => conv2dRungs(8, 96, 96, 32) };
