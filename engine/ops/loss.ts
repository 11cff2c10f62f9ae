// Mean squared and mean absolute error, and their gradients.
//
//   mse = 1/n sum (a - b)^2        da = 2/n dy (a - b)            db = -da
//   l1  = 1/n sum |a - b|          da = 1/n dy sign(a - b)        db = -da

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { kernel, perElement } from "../shader.js";
import { noGrad, record } from "../tape.js";
import { empty, emptyLike, sameShape, show, type Tensor } from "../tensor.js";
import { sum } from "./reduce.js";
import { neg } from "./unary.js";

const partial = kernel("loss"); //            a, b     -> y (threads)
const backward = kernel("loss_backward"); //  a, b, dy -> da

/** Mean squared error over all elements: (1). */
export const mse = (a: Tensor, b: Tensor): Tensor => loss("mse", a, b, true);

/** Mean absolute error over all elements: (1). */
export const l1 = (a: Tensor, b: Tensor): Tensor => loss("l1", a, b, false);

function loss(name: string, a: Tensor, given: Tensor, SQUARED: boolean): Tensor {
  if (!sameShape(a.shape, given.shape))
    throw new ShapeError(`${name}: a is ${show(a)}, b is ${show(given)}; the shapes must agree.`);
  if (!a.size) throw new ShapeError(`${name}: ${show(a)} has no elements to average.`);
  const n = a.size;
  const b = toLayout(given, a.layout);
  const y = scope(() => noGrad(() => sum(partialSums(a, b, SQUARED))));
  y.madeBy = name;

  return record(y, { inputs: [a, given], saved: [a, b] }, (dy, needs) => {
    const da = emptyLike(a);
    const { workgroups, constants } = perElement(n);
    backward.run(
      { a, b, dy, da },
      { n, scale: (SQUARED ? 2 : 1) / n },
      { workgroups, constants: { ...constants, SQUARED } },
    );
    return [da, needs[1] ? neg(da) : null];
  });
}

/** One number a thread, and as many threads as keep the adapter busy. */
function partialSums(a: Tensor, b: Tensor, SQUARED: boolean): Tensor {
  const { family, tuning } = device();
  const vecs = Math.ceil(a.size / 4);
  const threads = Math.min(tuning[family].reduce.threads, Math.ceil(vecs / 4));
  const run = Math.ceil(vecs / threads);
  const [first, step] = family === "broadcast" ? [run, 1] : [1, threads];
  const y = empty([threads]);
  const params = { n: a.size, threads, run, first, step, scale: 1 / a.size };
  partial.run({ a, b, y }, params, { workgroups: Math.ceil(threads / 16), constants: { SQUARED } });
  return y;
}
