// Pooling over windows of pixels, and its gradients.
//
//   max   y = max over the window            dx = sum of dy over the windows whose first maximum the pixel is
//   avg   y = sum over the window / k^2      dx = sum of dy over the windows that cover the pixel / k^2
//
// The backward kernels gather: a thread owns an input pixel and visits its windows in a fixed order.

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { inParts } from "../parts.js";
import { type Constants, type Kernel, kernel } from "../shader.js";
import { record } from "../tape.js";
import { empty, show, type Tensor } from "../tensor.js";
import { imagesOf } from "./images.js";
import { mean } from "./reduce.js";

const maxForward = kernel("max_pool2d"); //          x         -> y, index
const maxBackward = kernel("max_pool2d_backward"); // dy, index -> dx
const avgForward = kernel("avg_pool2d"); //          x         -> y
const avgBackward = kernel("avg_pool2d_backward"); // dy        -> dx

export interface PoolOptions {
  kernel: number;
  stride: number;
  /** At most half the kernel. */
  padding?: number;
}

/**
 * PyTorch's `max_pool2d(x, kernel, stride, padding)`; of equal values the first, row by row, gets the gradient.
 *
 * @param x      (B, C, H, W)
 * @returns      (B, C, OH, OW) in x's layout, OH = floor((H + 2 padding - kernel) / stride) + 1
 */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  const { images, params, outputs } = windows("maxPool2d", x, options);
  const { T, I } = images;
  const y = empty(outputs, "f32", x.layout);
  const index = empty(outputs, "u32", x.layout);
  run(maxForward, { x, y, index }, "y", params, { T, I });
  const dxLike = like(x);
  return record(y, { inputs: [x], saved: [index] }, (given) => {
    const dy = toLayout(given, index.layout);
    const dx = dxLike();
    run(maxBackward, { dy, index, dx }, "dx", params, { T, I });
    return [dx];
  });
}

/** PyTorch's `avg_pool2d(x, kernel, stride, padding)`: pixels of the padding count as zeros. Shapes as in maxPool2d. */
export function avgPool2d(x: Tensor, options: PoolOptions): Tensor {
  const { images, params, outputs } = windows("avgPool2d", x, options);
  const { T } = images;
  const { layout } = x;
  const y = empty(outputs, "f32", layout);
  run(avgForward, { x, y }, "y", params, { T });
  const dxLike = like(x);
  return record(y, { inputs: [x] }, (given) => {
    const dy = toLayout(given, layout);
    const dx = dxLike();
    run(avgBackward, { dy, dx }, "dx", params, { T });
    return [dx];
  });
}

/** The mean over all pixels: (B, C, H, W) to (B, C, 1, 1). */
export const globalAvgPool = (x: Tensor): Tensor => mean(x, [2, 3], true);

/** A tensor of x's shape and layout, later, without holding x. */
function like(x: Tensor): () => Tensor {
  const { shape, layout } = x;
  return () => empty(shape, "f32", layout);
}

/** One thread for each T of `out`. */
function run(
  kernel: Kernel,
  tensors: Record<string, Tensor>,
  out: string,
  params: { items: number } & Record<string, number>,
  constants: Constants,
): void {
  const whole = tensors[out]!;
  inParts(tensors, (part, count) => {
    const items = (params.items * count) / whole.dim(0);
    const workgroups = Math.ceil(part[out]!.size / (constants.T === "f32" ? 64 : 256));
    kernel.run(part, { ...params, items }, { workgroups, constants });
  });
}

function windows(op: string, x: Tensor, { kernel, stride, padding = 0 }: PoolOptions) {
  const images = imagesOf(op, x);
  const { batch, channels, items, height, width, units } = images;
  if (!(kernel >= 1 && stride >= 1 && padding >= 0 && 2 * padding <= kernel)) {
    throw new ShapeError(
      `${op}: kernel ${kernel}, stride ${stride}, padding ${padding}: the padding may be half the kernel at most.`,
    );
  }
  const [out_height, out_width] = [height, width].map((n) => Math.floor((n + 2 * padding - kernel) / stride) + 1) as [
    number,
    number,
  ];
  if (out_height < 1 || out_width < 1)
    throw new ShapeError(`${op}: no window of ${kernel} fits into x ${show(x)} with padding ${padding}.`);
  const params = { items, height, width, out_height, out_width, units, kernel, stride, padding };
  return { images, params, outputs: [batch, channels, out_height, out_width] };
}
