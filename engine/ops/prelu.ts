// PReLU: a ReLU with a learned slope for each channel, and its gradient.
//
//   y  = x where x > 0, else w_c x
//   dx = dy where x > 0, else w_c dy        dw_c = sum of dy x over the elements of channel c with x <= 0

import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { inParts } from "../parts.js";
import { type Kernel, kernel, perElement } from "../shader.js";
import { record } from "../tape.js";
import { emptyLike, show, sizeOf, type Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";

const forward = kernel("prelu"); //            x, w     -> y
const backward = kernel("prelu_backward"); //  x, w, dy -> dx, part

/**
 * PyTorch's `prelu(x, w)`.
 *
 * @param x   (B, C, ...), either layout
 * @param w   (C), or (1) for one slope
 */
export function prelu(x: Tensor, w: Tensor): Tensor {
  const channels = w.size;
  if (w.shape.length !== 1 || (channels !== 1 && channels !== x.shape[1])) {
    throw new ShapeError(`prelu: w is ${show(w)}, but x ${show(x)} needs one slope, or one for each channel.`);
  }
  const pixels = sizeOf(x.shape.slice(2));
  const inner = x.layout === "channels_last" ? 1 : pixels;
  const run = (kernel: Kernel, tensors: { x: Tensor } & Record<string, Tensor>) =>
    inParts(tensors, (part) => {
      const { workgroups, constants } = perElement(part.x!.size);
      const CHANNELS_LAST = inner === 1 && channels % (4 * Number(constants?.VECS)) === 0;
      const launch = { workgroups, constants: { ...constants, CHANNELS_LAST } };
      kernel.run({ w, ...part }, { n: part.x!.size, channels, inner }, launch);
    });

  const y = emptyLike(x);
  run(forward, { x, y });

  return record(y, { inputs: [x, w], saved: [x, w] }, (given, needs) => {
    const dy = toLayout(given, x.layout);
    const dx = emptyLike(x);
    const part = emptyLike(x);
    run(backward, { x, dy, dx, part });
    const perChannel = [channels, ...x.shape.slice(2).map(() => 1)]; // (C, 1, ...) aligns with (B, C, ...)
    return [dx, needs[1] ? sumTo(part, perChannel).alias([channels], "plain") : null];
  });
}
