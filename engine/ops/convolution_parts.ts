// The passes of convolution.ts over batches that are longer than a binding: image after image, as many at once as fit.

import { inParts, runElements } from "../parts.js";
import { kernel } from "../shader.js";
import { emptyLike, type Tensor } from "../tensor.js";
import {
  correlate as correlateOnce,
  type Form,
  type Passed,
  slide as slideOnce,
  spread as spreadOnce,
} from "./convolution.js";
import type { Conv } from "./gemm_plan.js";

const addInto = kernel("add_into"); // x -> y (in place)

export function slide(g: Conv, { x, y, ...rest }: Passed, form?: Form): void {
  inParts({ x, y }, (part, batch) => slideOnce({ ...g, batch }, { ...part, ...rest }, form));
}

export function spread(g: Conv, { x, y, ...rest }: Passed, form?: Form): void {
  inParts({ x, y }, (part, batch) => spreadOnce({ ...g, batch }, { ...part, ...rest }, form));
}

/** The sum over the images of a part is added to that of the parts before. */
export function correlate(
  g: Conv,
  { large, small, dw }: { large: Tensor; small: Tensor; dw: Tensor },
  form?: Form,
): void {
  inParts({ large, small }, (part, batch, first) => {
    const sum = first ? emptyLike(dw) : dw;
    correlateOnce({ ...g, batch }, { ...part, dw: sum }, form);
    if (first) runElements(addInto, { x: sum, y: dw });
  });
}
