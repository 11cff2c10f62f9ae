// What settings are judged by: the operations they belong to, at shapes of the nets. No expected values: the portable
// setting's results are what the others are compared with.

import { correlate, type Form, slide, spread } from "../../engine/ops/convolution.js";
import { crossEntropy } from "../../engine/ops/cross_entropy.js";
import { gemm } from "../../engine/ops/gemm.js";
import type { Gemm } from "../../engine/ops/gemm_plan.js";
import { groupNorm } from "../../engine/ops/group_norm.js";
import { mse } from "../../engine/ops/loss.js";
import { mean, sum } from "../../engine/ops/reduce.js";
import { softmax } from "../../engine/ops/softmax.js";
import { silu } from "../../engine/ops/unary.js";
import { Adam, clipGradNorm } from "../../engine/optim.js";
import { backward } from "../../engine/tape.js";
import { empty, emptyLike, type Shape, type Tensor, tensor } from "../../engine/tensor.js";
import { filled, values } from "../case.js";
import { conv3x3, operands } from "../conv3x3.js";

export interface TuneCase {
  name: string;
  /** One run, in a scope of its own; returns what it made. */
  run(): Tensor;
}

/** How large the cases are. */
export interface Size {
  /** Images. */
  batch: number;
  /** Fewer shapes. */
  quick: boolean;
}

/** The first ones where it must be quick. */
const some = <T>(list: readonly T[], quick: boolean, few = 2): T[] => list.slice(0, quick ? few : list.length);

/** 3x3 convolutions of the UNet, the autoencoder and the recogniser: channels in and out, side, images of a batch of 8. */
const convs = [
  { I: 192, O: 192, side: 16, of8: 8 },
  { I: 384, O: 384, side: 8, of8: 8 },
  { I: 96, O: 96, side: 32, of8: 8 },
  { I: 768, O: 768, side: 4, of8: 8 },
  { I: 128, O: 128, side: 64, of8: 1 },
  { I: 16, O: 32, side: 32, of8: 8 },
];

type Pass = "slide" | "spread" | "correlate";

/** Some passes of every convolution, in one form or in the one that the settings choose. */
function convolutions(size: Size, passes: readonly Pass[], form?: Form): TuneCase[] {
  return some(convs, size.quick).flatMap(({ I, O, side, of8 }) => {
    const B = Math.max(1, Math.round((of8 * size.batch) / 8));
    const g = conv3x3(B, I, O, side);
    const { x, w, dy } = operands(B, I, O, side);
    const run: Record<Pass, () => Tensor> = {
      slide: () => made(dy.t, (y) => slide(g, { x: x.t, w: w.t, y }, form)),
      spread: () => made(x.t, (y) => spread(g, { x: dy.t, w: w.t, y }, form)),
      correlate: () => made(w.t, (dw) => correlate(g, { large: x.t, small: dy.t, dw }, form)),
    };
    return passes.map((pass) => ({ name: `${pass} B${B} ${I}->${O} @${side}`, run: run[pass] }));
  });
}

/** A tensor like this one, after `work` has filled it. */
function made(like: Tensor, work: (y: Tensor) => void): Tensor {
  const y = emptyLike(like);
  work(y);
  return y;
}

/** Rows, columns and depth of products for a batch of 8; `batch`: so many at once, as in Winograd's form. */
const products = [
  { rows: 2048, cols: 192, depth: 192 },
  { rows: 512, cols: 768, depth: 384 },
  { rows: 128, cols: 192, depth: 192, batch: 36 },
  { rows: 64, cols: 2048, depth: 512 },
];

/** y = x w^T, dx = dy w, dw = dy^T x of each. */
const matmuls = ({ batch, quick }: Size): TuneCase[] =>
  some(products, quick, 1).flatMap((p) => {
    const rows = Math.max(16, Math.round((p.rows * batch) / 8 / 4) * 4);
    const { cols, depth } = p;
    return [
      product({ rows, cols, depth }, true, true, p.batch),
      product({ rows, cols: depth, depth: cols }, true, false, p.batch),
      product({ rows: cols, cols: depth, depth: rows }, false, false, p.batch),
    ];
  });

function product(
  { rows, cols, depth }: { rows: number; cols: number; depth: number },
  aK: boolean,
  bK: boolean,
  batch = 1,
): TuneCase {
  const [a, b] = [filled([batch, rows, depth], 1).t, filled([batch, cols, depth], 2).t];
  const g: Gemm = {
    rows,
    cols,
    depth,
    batch,
    a: { contiguous: aK, ld: aK ? depth : rows, batchStride: rows * depth },
    b: { contiguous: bK, ld: bK ? depth : cols, batchStride: cols * depth },
    out: { contiguous: true, ld: cols, batchStride: rows * cols },
  };
  return {
    name: `${batch > 1 ? `${batch} times ` : ""}${rows} x ${cols} x ${depth}`,
    run: () => made(empty([batch, rows, cols]), (out) => gemm(g, { a, b, out })),
  };
}

const maps = ({ quick }: Size): TuneCase[] =>
  some([2 ** 20, 2 ** 22], quick, 1).map((n) => {
    const x = filled([n], 1).t;
    return { name: `SiLU of ${n}`, run: () => silu(x) };
  });

const updates = ({ quick }: Size): TuneCase[] => {
  const n = quick ? 2 ** 20 : 2 ** 22;
  const w = tensor(values(n, 1), [n]).requiresGrad("w");
  w.grad = tensor(values(n, 2), [n]);
  const optimizer = new Adam([w]);
  return [
    { name: `gradient norm of ${n}`, run: () => clipGradNorm([w], 1) },
    {
      name: `Adam of ${n}`,
      run: () => {
        optimizer.step({ lr: 0 }); // the weights stay, so that results can be compared
        return w;
      },
    },
  ];
};

const sums = ({ batch, quick }: Size): TuneCase[] => {
  const image = filled([batch, 192, 16, 16], 1, "channels_last").t;
  const other = filled([batch, 192, 16, 16], 2, "channels_last").t;
  return some(
    [
      { name: "sum of an image's channels", run: () => sum(image, [0, 2, 3]) },
      { name: "mean squared error", run: () => mse(image, other) },
      { name: "mean of everything", run: () => mean(image) },
    ],
    quick,
  );
};

const norms = ({ batch, quick }: Size): TuneCase[] => {
  const shapes: Shape[] = [
    [batch, 192, 16, 16],
    [batch, 96, 32, 32],
    [Math.ceil(batch / 8), 128, 128, 128],
  ];
  return some(shapes, quick, 1).flatMap((shape) => {
    const C = shape[1]!;
    const [x, dy] = [filled(shape, 1, "channels_last").t, filled(shape, 2, "channels_last").t];
    const [w, b] = [tensor(new Float32Array(C).fill(1), [C]), tensor(new Float32Array(C), [C])];
    const leaf = x.alias().requiresGrad("x");
    const run = () => {
      leaf.gradIsStale = true;
      backward(groupNorm(leaf, 32, w, b, { eps: 1e-5, silu: true }), dy);
      return leaf.grad!;
    };
    return [{ name: `group norm of ${shape.join("x")}, with gradient`, run }];
  });
};

const classes = ({ batch }: Size): TuneCase[] => {
  const logits = filled([8 * batch, 10_572], 1).t;
  const labels = tensor(
    Uint32Array.from({ length: 8 * batch }, (_, r) => r),
    [8 * batch],
    "u32",
  );
  return [{ name: `cross-entropy of ${8 * batch} x 10572`, run: () => crossEntropy(logits, labels) }];
};

const rows = ({ batch, quick }: Size): TuneCase[] => {
  const [short, long] = [filled([768 * batch, 256], 1).t, filled([batch, 65_536], 2).t];
  return some(
    [
      { name: `softmax of ${768 * batch} x 256`, run: () => softmax(short) },
      { name: `softmax of ${batch} x 65536`, run: () => softmax(long) },
      { name: `sum of ${batch} x 65536`, run: () => sum(long, 1) },
    ],
    quick,
  );
};

/** By group of settings.ts. */
export const casesOf: Readonly<Record<string, (size: Size) => TuneCase[]>> = {
  matmul: matmuls,
  conv: (size) => convolutions(size, ["slide", "spread"], "direct"),
  conv_weight: (size) => convolutions(size, ["correlate"], "direct"),
  winograd: (size) => convolutions(size, ["slide", "spread", "correlate"]),
  elementwise: maps,
  optimiser: updates,
  reduce: sums,
  norm: norms,
  cross_entropy: classes,
  rows,
};
