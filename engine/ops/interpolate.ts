// Changing an image's size, and the gradients: PyTorch's interpolate with mode "bilinear" (align_corners false, no antialias)
// and, by a factor of 2, mode "nearest".
//
//   bilinear   s = (o + 1/2) in / out - 1/2, held inside [0, in - 1];  y = the four pixels around s, weighted by 1 - distance
//   nearest    y[o] = x[floor(o / 2)]
//
// The backward kernels gather: a thread owns an input pixel and visits the outputs that read it in a fixed order.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { inParts } from "../parts.js";
import { type Kernel, kernel } from "../shader.js";
import { record } from "../tape.js";
import { empty, type Tensor } from "../tensor.js";
import { imagesOf } from "./images.js";

const bilinearForward = kernel("bilinear"); //           x  -> y
const bilinearBackward = kernel("bilinear_backward"); // dy -> dx
const nearestForward = kernel("nearest2"); //            x  -> y
const nearestBackward = kernel("nearest2_backward"); //  dy -> dx

/**
 * @param x      (B, C, H, W)
 * @param size   the new height and width
 * @returns      (B, C, ...size) in x's layout
 */
export function bilinear(x: Tensor, [out_height, out_width]: readonly [number, number]): Tensor {
  const { T, batch, channels, items, height, width, units } = imagesOf("bilinear", x);
  if (out_height < 1 || out_width < 1)
    throw new ShapeError(`bilinear: an image of ${out_height} x ${out_width} has no pixels.`);
  const { shape, layout } = x;
  const params = { items, height, width, out_height, out_width, units };
  const constants = { T };
  const y = empty([batch, channels, out_height, out_width], "f32", layout);
  bilinearForward.run({ x, y }, params, {
    workgroups: Math.ceil((items * out_height * out_width * units) / 64),
    constants,
  });
  return record(y, { inputs: [x] }, (dy) => {
    const dx = empty(shape, "f32", layout);
    const workgroups = Math.ceil((items * height * width * units) / 64);
    bilinearBackward.run({ dy: toLayout(dy, layout), dx }, params, { workgroups, constants });
    return [dx];
  });
}

/** Every pixel four times: (B, C, H, W) to (B, C, 2 H, 2 W) in x's layout. */
export function upsampleNearest2(x: Tensor): Tensor {
  const { T, batch, channels, items, height, width, units } = imagesOf("upsampleNearest2", x);
  const { shape, layout } = x;
  const run = (kernel: Kernel, tensors: Record<string, Tensor>) =>
    inParts(tensors, (part, count) => {
      const images = (items * count) / batch;
      const launch = { workgroups: Math.ceil((images * height * width * units) / 64), constants: { T } };
      kernel.run(part, { items: images, height, width, units }, launch);
    });
  const y = empty([batch, channels, 2 * height, 2 * width], "f32", layout);
  run(nearestForward, { x, y });
  return record(y, { inputs: [x] }, (dy) => {
    const dx = empty(shape, "f32", layout);
    run(nearestBackward, { dy: toLayout(dy, layout), dx });
    return [dx];
  });
}
