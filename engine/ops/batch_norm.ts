// Batch normalisation, and its gradients: group normalisation with one channel a group over all items (group_norm.ts).
//
//   training   mean and variance of the batch; running = (1 - momentum) running + momentum statistic, with the variance over
//              n - 1 there and over n in y
//   eval       mean and variance are the running ones: y = a (x - mean) + bias with constant a, so dx = a dy

import { ShapeError } from "../errors.js";
import { kernel } from "../shader.js";
import { empty, planes, sameShape, show, type Tensor } from "../tensor.js";
import { applyAffine, recordNorm, statistics, stepsBackward } from "./group_norm.js";
import { type Found, memoryOf, type Norm } from "./group_norm_plan.js";

const updateRunning = kernel("batch_norm_running"); // stats                        -> running_mean, running_var
const evalAffine = kernel("batch_norm_affine"); //     running_mean, running_var .. -> stats, affine

export interface BatchNormOptions {
  /** (C), together with bias, or neither. */
  weight?: Tensor | undefined;
  bias?: Tensor | undefined;
  /** (C): overwritten when training. */
  runningMean: Tensor;
  runningVar: Tensor;
  training: boolean;
  momentum?: number;
  eps?: number;
}

/**
 * PyTorch's `batch_norm`: BatchNorm1d for x (B, C), BatchNorm2d for (B, C, H, W).
 *
 * @returns      same shape and layout as x
 * @throws       ShapeError if a tensor does not fit, or a training batch has one value a channel
 */
export function batchNorm(x: Tensor, options: BatchNormOptions): Tensor {
  const { weight, bias, runningMean, runningVar, training, momentum = 0.1, eps = 1e-5 } = options;
  const channels = x.dim(1);
  const { batch, pixels } = planes(x.shape);
  for (const [name, t] of Object.entries({ weight, bias, runningMean, runningVar })) {
    if (t && !sameShape(t.shape, [channels]))
      throw new ShapeError(`batchNorm: ${name} is ${show(t)}; x ${show(x)} needs (${channels}).`);
  }
  if (!weight !== !bias) throw new ShapeError("batchNorm: weight and bias come together; one of them is missing.");
  if (training && batch * pixels < 2)
    throw new ShapeError(`batchNorm: x is ${show(x)}; training needs more than one value a channel.`);

  const norm: Norm = { x, memory: memoryOf(x, true), batch: 1, groups: channels, eps, silu: false, w: weight, bias };
  const found = training ? statistics(norm) : fromRunning(norm, runningMean, runningVar);
  if (training) {
    const params = { channels, momentum, correction: (batch * pixels) / (batch * pixels - 1) };
    const tensors = { stats: found.stats, running_mean: runningMean, running_var: runningVar };
    updateRunning.run(tensors, params, { workgroups: Math.ceil(channels / 64) });
  }
  return recordNorm(norm, applyAffine(norm, found.affine), found, stepsBackward(!training));
}

/** The statistics and the map of eval mode, shaped like those of a batch. */
function fromRunning({ x, w, bias, eps }: Norm, mean: Tensor, variance: Tensor): Found {
  const channels = x.dim(1);
  const stats = empty([1, channels, 2]);
  const affine = empty([1, 3, channels]);
  const tensors = { running_mean: mean, running_var: variance, w: w ?? mean, bias: bias ?? mean, stats, affine };
  const launch = { workgroups: Math.ceil(channels / 64), constants: { AFFINE: Boolean(w) } };
  evalAffine.run(tensors, { channels, eps }, launch);
  return { stats, affine };
}
