// The engine's public face.

import "./methods.js";

export { type Device, device, openDevice } from "./device.js";
export * from "./errors.js";
export { attention, attentionFromLogits, attentionLogits } from "./ops/attention.js";
export { batchNorm } from "./ops/batch_norm.js";
export { add, div, mul, sub } from "./ops/binary.js";
export { cat, slice } from "./ops/cat.js";
export { convTranspose2d } from "./ops/conv_transpose2d.js";
export { conv2d } from "./ops/conv2d.js";
export { crossEntropy } from "./ops/cross_entropy.js";
export { dropout } from "./ops/dropout.js";
export { embedding } from "./ops/embedding.js";
export { gatherRows } from "./ops/gather_rows.js";
export { groupNorm } from "./ops/group_norm.js";
export { bilinear, upsampleNearest2 } from "./ops/interpolate.js";
export { l2Normalize } from "./ops/l2_normalize.js";
export { layerNorm } from "./ops/layer_norm.js";
export { channelsLast, contiguous, permute, reshape, transpose } from "./ops/layout.js";
export { linear, linearChannels } from "./ops/linear.js";
export { l1, mse } from "./ops/loss.js";
export { matmul } from "./ops/matmul.js";
export { nearestCode } from "./ops/nearest_code.js";
export { avgPool2d, globalAvgPool, maxPool2d } from "./ops/pool.js";
export { prelu } from "./ops/prelu.js";
export { rand, randn } from "./ops/random.js";
export { max, mean, std, sum, sumTo, variance } from "./ops/reduce.js";
export { selectRows } from "./ops/select.js";
export { softmax } from "./ops/softmax.js";
export {
  abs,
  acos,
  addScalar,
  affine,
  clamp,
  cos,
  exp,
  gelu,
  leakyRelu,
  log,
  mulScalar,
  neg,
  pow,
  relu,
  rsqrt,
  sigmoid,
  silu,
  sin,
  sqrt,
  square,
  tanh,
} from "./ops/unary.js";
export { Adam, AdamW, Ema, SGD } from "./optim.js";
export { random } from "./random.js";
export { recompute } from "./recompute.js";
export { replay } from "./replay.js";
export { keep, scope } from "./scope.js";
export { backward, noGrad } from "./tape.js";
export { empty, Tensor, tensor, zeros } from "./tensor.js";
