// What the operations on single images share: pools and interpolation treat every channel alike, so a plain (B, C, H, W) is
// (B C, H, W, 1) to their kernels, and a channels_last one (B, H, W, C / 4) of vec4's.

import { ShapeError } from "../errors.js";
import { show, type Tensor } from "../tensor.js";

export interface Images {
  /** Element types of the kernels: T of the values, I of indices beside them. */
  T: "vec4f" | "f32";
  I: "vec4u" | "u32";
  batch: number;
  channels: number;
  /** Images of `units` elements of T a pixel. */
  items: number;
  height: number;
  width: number;
  units: number;
}

export function imagesOf(op: string, x: Tensor): Images {
  const [batch, channels, height, width] = x.shape;
  if (batch === undefined || channels === undefined || !height || !width || x.shape.length !== 4) {
    throw new ShapeError(`${op}: x is ${show(x)}, but needs (B, C, H, W) with pixels.`);
  }
  if (x.layout === "plain")
    return { T: "f32", I: "u32", batch, channels, items: batch * channels, height, width, units: 1 };
  return { T: "vec4f", I: "vec4u", batch, channels, items: batch, height, width, units: channels / 4 };
}
