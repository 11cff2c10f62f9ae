// Operations as methods: x.add(y).silu() is silu(add(x, y)). A side-effect import: engine/index.ts has it.

import * as binary from "./ops/binary.js";
import { slice } from "./ops/cat.js";
import * as layout from "./ops/layout.js";
import { type MatmulOptions, matmul } from "./ops/matmul.js";
import * as reduce from "./ops/reduce.js";
import { softmax } from "./ops/softmax.js";
import * as unary from "./ops/unary.js";
import { backward } from "./tape.js";
import { type Shape, Tensor } from "./tensor.js";

type Operand = Tensor | number;
type Dims = number | readonly number[];

/** What each method does, with the tensor itself as first argument; the names are PyTorch's. */
const methods = {
  add: (x: Tensor, b: Operand): Tensor => binary.add(x, b),
  sub: (x: Tensor, b: Operand): Tensor => binary.sub(x, b),
  mul: (x: Tensor, b: Operand): Tensor => binary.mul(x, b),
  div: (x: Tensor, b: Operand): Tensor => binary.div(x, b),

  matmul: (x: Tensor, b: Tensor, options?: MatmulOptions): Tensor => matmul(x, b, options),
  softmax: (x: Tensor, dim?: number): Tensor => softmax(x, dim),

  neg: (x: Tensor): Tensor => unary.neg(x),
  abs: (x: Tensor): Tensor => unary.abs(x),
  exp: (x: Tensor): Tensor => unary.exp(x),
  log: (x: Tensor): Tensor => unary.log(x),
  sqrt: (x: Tensor): Tensor => unary.sqrt(x),
  rsqrt: (x: Tensor): Tensor => unary.rsqrt(x),
  square: (x: Tensor): Tensor => unary.square(x),
  pow: (x: Tensor, p: number): Tensor => unary.pow(x, p),
  clamp: (x: Tensor, lo: number, hi: number): Tensor => unary.clamp(x, lo, hi),
  sin: (x: Tensor): Tensor => unary.sin(x),
  cos: (x: Tensor): Tensor => unary.cos(x),
  tanh: (x: Tensor): Tensor => unary.tanh(x),
  sigmoid: (x: Tensor): Tensor => unary.sigmoid(x),
  relu: (x: Tensor): Tensor => unary.relu(x),
  leakyRelu: (x: Tensor, slope?: number): Tensor => unary.leakyRelu(x, slope),
  silu: (x: Tensor): Tensor => unary.silu(x),
  gelu: (x: Tensor): Tensor => unary.gelu(x),

  sum: (x: Tensor, dims?: Dims, keepdim?: boolean): Tensor => reduce.sum(x, dims, keepdim),
  mean: (x: Tensor, dims?: Dims, keepdim?: boolean): Tensor => reduce.mean(x, dims, keepdim),

  contiguous: (x: Tensor): Tensor => layout.contiguous(x),
  channelsLast: (x: Tensor): Tensor => layout.channelsLast(x),
  reshape: (x: Tensor, shape: Shape): Tensor => layout.reshape(x, shape),
  permute: (x: Tensor, dims: readonly number[]): Tensor => layout.permute(x, dims),
  transpose: (x: Tensor): Tensor => layout.transpose(x),
  slice: (x: Tensor, dim: number, start: number, end?: number): Tensor => slice(x, dim, start, end),

  backward: (y: Tensor, dy?: Tensor): void => backward(y, dy),
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
