// Operations as methods: x.add(y).silu() is silu(add(x, y)). A side-effect import: engine/index.ts has it.

import { add, div, mul, sub } from "./ops/binary.js";
import { slice } from "./ops/cat.js";
import { channelsLast, contiguous, permute, reshape, transpose } from "./ops/layout.js";
import { matmul } from "./ops/matmul.js";
import { mean, sum } from "./ops/reduce.js";
import { softmax } from "./ops/softmax.js";
import * as unary from "./ops/unary.js";
import { backward } from "./tape.js";
import { Tensor } from "./tensor.js";

const { abs, clamp, cos, exp, gelu, leakyRelu, log, neg, pow, relu, rsqrt, sigmoid, silu, sin, sqrt, square, tanh } =
  unary;

/** Each takes the tensor itself as its first argument; the names are PyTorch's. */
const methods = {
  ...{ add, sub, mul, div, matmul, softmax, sum, mean },
  ...{ neg, abs, exp, log, sqrt, rsqrt, square, pow, clamp, sin, cos, tanh, sigmoid, relu, leakyRelu, silu, gelu },
  ...{ contiguous, channelsLast, reshape, permute, transpose, slice },
  backward,
};

type Methods = {
  [K in keyof typeof methods]: (typeof methods)[K] extends (x: Tensor, ...rest: infer R) => infer Y
    ? (...rest: R) => Y
    : never;
};

declare module "./tensor.js" {
  interface Tensor extends Methods {}
}

for (const [name, op] of Object.entries(methods)) {
  const run = op as (x: Tensor, ...rest: unknown[]) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return run(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
}
