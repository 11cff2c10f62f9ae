// Less memory for more time: what a part of a net saves for its gradient rules is not kept, but made again when backward comes
// to that part. PyTorch calls it checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost").
//
//   y = recompute([x, context], () => block.forward(x, context))
//
// The gradients are those of the plain call, bit for bit: kernels repeat exactly, random numbers are drawn from a copy of the
// stream as it was, and the part's gradients go to the places they came from one by one, in the same order (tape.ts).

import type { Rng } from "./random.js";
import { scope } from "./scope.js";
import { gradPaused, pauseGrad, recordFolded } from "./tape.js";
import type { Tensor } from "./tensor.js";

/**
 * `work()`, keeping nothing but `inputs` and the result.
 *
 * @param inputs   every tensor that `work` uses and that is no parameter: they stay until backward has run it
 * @param work     runs a second time, so it must do nothing besides: batch normalisation in training would move its running
 *                 statistics twice
 * @param rng      what `work` draws from
 */
export function recompute<R extends Rng | undefined>(
  inputs: readonly Tensor[],
  work: (rng: R) => Tensor,
  rng?: R,
): Tensor {
  if (gradPaused()) return scope(() => work(rng as R));
  const again = rng?.copy();
  const y = scope(() => pauseGrad(() => work(rng as R)));
  return inputs.includes(y) ? y : recordFolded(y, inputs, () => work(again as R));
}
