// Cross-entropy of logits with integer labels, and its gradient.
//
//   loss_r  = log sum_c exp(x_rc) - (1 - e) x_rt - e mean_c x_rc,   loss = mean of loss_r        t label, e label smoothing
//   dx_rc   = dy / R (softmax(x)_rc - (1 - e) [c = t] - e / C)

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { scope } from "../scope.js";
import { kernel } from "../shader.js";
import { noGrad, record } from "../tape.js";
import { empty, show, type Tensor } from "../tensor.js";
import { mean } from "./reduce.js";
import { threadsFor } from "./rows.js";

const forward = kernel("cross_entropy"); //           x, labels          -> loss, stats    a workgroup a row
const chunksKernel = kernel("cross_entropy_chunks"); // x                -> partial
const rowsKernel = kernel("cross_entropy_rows"); //   x, labels, partial -> loss, stats    a thread a row
const backward = kernel("cross_entropy_backward"); // x, labels, stats, dy -> dx

/**
 * PyTorch's `cross_entropy(logits, labels, label_smoothing=...)`: the mean over the rows.
 *
 * @param logits   (R, C)
 * @param labels   (R) u32, each below C
 * @returns        (1)
 * @throws         ShapeError if they do not fit
 */
export function crossEntropy(logits: Tensor, labels: Tensor, { labelSmoothing: smoothing = 0 } = {}): Tensor {
  const [rows, cols] = logits.shape;
  if (!rows || !cols || logits.shape.length !== 2 || labels.size !== rows || labels.dtype !== "u32") {
    throw new ShapeError(`crossEntropy: logits are ${show(logits)}, labels ${show(labels)}; give (R, C), and (R) u32.`);
  }
  const x = logits;
  const stats = empty([rows, 2]);
  const y = scope(() => {
    const loss = empty([rows]);
    if (device().family === "tiled") {
      const launch = { workgroups: rows, constants: { WORKGROUP: threadsFor(cols) } };
      forward.run({ x, labels, loss, stats }, { rows, cols, smoothing }, launch);
    } else {
      // Chunks of 64 columns or more, about as many as keep the cores busy.
      const wanted = device().tuning.broadcast.cross_entropy.chunks;
      const run = Math.max(64, Math.ceil(cols / Math.ceil(wanted / rows)));
      const chunks = Math.ceil(cols / run);
      const partial = empty([rows, chunks, 4]);
      chunksKernel.run({ x, partial }, { rows, cols, chunks, run }, { workgroups: Math.ceil((rows * chunks) / 16) });
      const params = { rows, cols, chunks, run, smoothing };
      rowsKernel.run({ x, labels, partial, loss, stats }, params, { workgroups: Math.ceil(rows / 16) });
    }
    return noGrad(() => mean(loss));
  });

  return record(y, { inputs: [x], saved: [x, labels, stats] }, (dy) => {
    const dx = empty(x.shape);
    backward.run({ x, labels, stats, dy, dx }, { rows, cols, smoothing }, { workgroups: Math.ceil(x.size / 256) });
    return [dx];
  });
}
