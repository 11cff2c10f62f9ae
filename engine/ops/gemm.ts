// The matrix product that matmul, linear and attention share; here, and only here, its family is chosen.
//
//   out[r, c] = alpha sum_k a[r, k] b[c, k] + bias        (gemm_plan.ts says what an operand may look like)

import { device } from "../device.js";
import { bindable, mostElements, runElements, windowOf } from "../parts.js";
import { scope } from "../scope.js";
import { kernel } from "../shader.js";
import { empty, emptyLike, type Tensor } from "../tensor.js";
import { type Gemm, type Operand, planGemm } from "./gemm_plan.js";
import { planSum, planGemm as planTiled } from "./tiled_plan.js";

const broadcast = kernel("matmul_broadcast"); // p, q, bias -> o     software adapters
const tiled = kernel("matmul_tiled"); //         p, q, bias -> o     GPUs
const sumSplits = kernel("sum_splits"); //       x -> y
const addInto = kernel("add_into"); //           x -> y (in place)

type Sizes = Omit<Gemm, "bias" | "plus">;

interface Tensors {
  a: Tensor;
  b: Tensor;
  bias?: Tensor | undefined;
  /** Is added, or is what `gelu: "slope"` takes the slope at; lies as out does. */
  plus?: Tensor | undefined;
  out: Tensor;
}

/** Runs the product into `out`. Every contiguous dimension, ld, start and stride: a multiple of 4. Records nothing. */
export function gemm(g: Sizes, tensors: Tensors): void {
  const { plus, ...product } = tensors;
  const whole = bindable([product.a, product.b, product.out]);
  const fused = whole && fuses(plus);
  if (whole) runGemm(g, fused ? tensors : product);
  else inHalves(g, product);
  if (plus && !fused) runElements(addInto, { x: plus, y: product.out });
}

/** Whether a product adds this in its own kernel. */
export const fuses = (plus: Tensor | undefined): boolean => !plus || device().family === "tiled";

/** The product in halves, until what a half reaches of every operand can be bound. */
function inHalves(g: Sizes, tensors: Tensors): void {
  const { a, b, out } = tensors;
  const cut = cutOf(g, out);
  if (!cut || g[cut] === 1 || reachesOf(g).every((reach) => reach + 64 <= mostElements())) {
    scope(() => inWindows(g, tensors));
    return;
  }
  const half = Math.ceil(g[cut]! / 2);
  const rest = { ...g, [cut]: g[cut]! - half };
  const behind = (o: Operand, step: number | undefined) => ({ ...o, start: (o.start ?? 0) + half * (step ?? 0) });
  inHalves({ ...g, [cut]: half }, tensors);
  if (cut === "batch" || cut === "heads") {
    const step = cut === "batch" ? "batchStride" : "headStride";
    const [A, B, O] = [g.a, g.b, g.out].map((o) => behind(o, o[step])) as [Operand, Operand, Operand];
    const biasStart = (g.biasStart ?? 0) + (cut === "heads" ? half * (g.biasStride ?? 0) : 0);
    inHalves({ ...rest, a: A, b: B, out: O, biasStart }, tensors);
  } else if (cut === "rows") {
    inHalves({ ...rest, a: behind(g.a, g.a.ld), out: behind(g.out, g.out.ld) }, tensors);
  } else {
    scope(() => {
      const more = emptyLike(out);
      inHalves({ ...rest, a: behind(g.a, g.a.ld), b: behind(g.b, g.b.ld) }, { a, b, out: more });
      runElements(addInto, { x: more, y: out });
    });
  }
}

/** Along what a product can be cut so that both halves reach less; a sum over half the depth is added to the other's. */
function cutOf(
  { rows, cols, batch = 1, heads = 1, a, b, out }: Sizes,
  whole: Tensor,
): "batch" | "heads" | "rows" | "depth" | undefined {
  if (batch > 1) return "batch";
  if (heads > 1) return "heads";
  if (a.contiguous && out.contiguous) return "rows";
  const onlyThis = whole.size === rows * cols;
  return !a.contiguous && !b.contiguous && onlyThis ? "depth" : undefined;
}

/** With views of what each operand reaches. */
function inWindows(g: Sizes, { a, b, bias, out }: Tensors): void {
  const reaches = reachesOf(g);
  const [A, B, O] = [
    { x: a, operand: g.a },
    { x: b, operand: g.b },
    { x: out, operand: g.out },
  ].map(({ x, operand }, k) => {
    const { view, start } = windowOf(x, operand.start ?? 0, reaches[k]!);
    return { view, operand: { ...operand, start } };
  }) as [Window, Window, Window];
  runGemm({ ...g, a: A.operand, b: B.operand, out: O.operand }, { a: A.view, b: B.view, bias, out: O.view });
}

interface Window {
  view: Tensor;
  operand: Operand;
}

/** Elements from the first to the last of each operand. */
function reachesOf({ rows, cols, depth, batch = 1, heads = 1, a, b, out }: Sizes): number[] {
  const reach = (o: Operand, lines: number, length: number) => {
    const matrix = o.contiguous ? (lines - 1) * o.ld + length : (length - 1) * o.ld + lines;
    return (batch - 1) * (o.batchStride ?? 0) + (heads - 1) * (o.headStride ?? 0) + matrix;
  };
  return [reach(a, rows, depth), reach(b, cols, depth), reach(out, rows, cols)];
}

function runGemm(g: Sizes, { a, b, bias, plus, out }: Tensors): void {
  const sizes = { ...g, bias: bias !== undefined, plus: plus !== undefined && g.gelu !== "slope" };
  const unused = b; // a binding must be filled even where there is no bias
  const dev = device();
  if (dev.family === "broadcast") {
    const plan = planGemm(sizes, dev.subgroupSize === 4 ? 4 : 8, dev.tuning.broadcast.matmul);
    const [p, q] = plan.swapped ? [b, a] : [a, b];
    broadcast.run({ p, q, bias: bias ?? unused, o: out }, plan.params, plan);
    return;
  }
  const plan = planTiled(sizes, dev.tuning.tiled.matmul);
  const operands = { p: a, q: b, bias: bias ?? unused, plus: plus ?? unused };
  const gelu = g.gelu === "behind" ? g.rows * g.cols : 0;
  inSplits(plan.splits, out, (o) => tiled.run({ ...operands, o }, plan.params, plan), gelu);
}

/**
 * Runs a tiled kernel into y; where its depth is split, into as many parts of y's size, which are then added.
 *
 * @param gelu   how many elements of y are the product; behind these goes their gelu
 */
export function inSplits(splits: number, y: Tensor, run: (into: Tensor) => void, gelu = 0): void {
  if (splits === 1) {
    run(y);
    return;
  }
  scope(() => {
    const n = gelu || y.size;
    const x = empty([splits, n]);
    run(x);
    const plan = planSum(n, splits, gelu > 0);
    sumSplits.run({ x, y }, plan.params, plan);
  });
}
