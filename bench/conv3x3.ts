// The convolution that the nets are made of: 3x3, stride 1, padding 1, square images.

import type { Conv } from "../engine/ops/gemm_plan.js";
import { type Filled, filled } from "./case.js";

export const conv3x3 = (B: number, I: number, O: number, side: number): Conv => ({
  large: [side, side],
  small: [side, side],
  largeChannels: I,
  smallChannels: O,
  batch: B,
  kernel: [3, 3],
  stride: [1, 1],
  pad: [1, 1],
});

/** x (B, I, H, W), w (O, I, 3, 3) and dy (B, O, H, W), channels_last. */
export const operands = (B: number, I: number, O: number, side: number): Record<"x" | "w" | "dy", Filled> => ({
  x: filled([B, I, side, side], 1, "channels_last"),
  w: filled([O, I, 3, 3], 2, "channels_last"),
  dy: filled([B, O, side, side], 3, "channels_last"),
});
