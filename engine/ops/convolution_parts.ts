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
import { fuses } from "./gemm.js";
import type { Conv } from "./gemm_plan.js";

const addInto = kernel("add_into"); // x -> y (in place)

export function slide(g: Conv, passed: Passed, form?: Form): void {
  inRuns(passed, (part, batch) => slideOnce({ ...g, batch }, part, form));
}

export function spread(g: Conv, passed: Passed, form?: Form): void {
  inRuns(passed, (part, batch) => spreadOnce({ ...g, batch }, part, form));
}

/** Software adapters add `plus` in a kernel of its own. */
function inRuns({ x, y, plus, ...weights }: Passed, run: (part: Passed, batch: number) => void): void {
  const alone = fuses(plus) ? undefined : plus;
  if (plus && !alone) inParts({ x, y, plus }, (part, batch) => run({ ...weights, ...part }, batch));
  else inParts({ x, y }, (part, batch) => run({ ...weights, ...part }, batch));
  if (alone) runElements(addInto, { x: alone, y });
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
