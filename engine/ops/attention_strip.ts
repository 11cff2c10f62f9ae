// What attention.ts is made of: the matrix products of a strip, some items of the batch whose maps exist at once.
//
// In channels_last memory a head is a slice of a matrix's columns: no transpose or copy is made. Keys whose number is no multiple
// of 4 get zeros behind them, whose logits are pushed down to probability 0.

import { device } from "../device.js";
import { ShapeError } from "../errors.js";
import { kernel } from "../shader.js";
import { empty, type Shape, show, type Tensor, tensor } from "../tensor.js";
import { ceil4, fitted } from "./fitted.js";
import { gemm } from "./gemm.js";
import type { Operand } from "./gemm_plan.js";
import { unitsOf } from "./rows.js";

const blendLogits = kernel("attention_blend"); // source, s -> x (in place)

/** Dimension z of a grid. */
const MAX_PRODUCTS = 65_535;

export interface Sizes {
  B: number;
  C: number;
  heads: number;
  Lq: number;
  Lk: number;
  /** Lk, up to a multiple of 4: the number of columns of every map. */
  wideK: number;
}

/** A sequence (B, C, L): the channels from `first` on of an x (B, at least C, L) channels_last. */
export interface Channels {
  x: Tensor;
  first: number;
}

/** Maps are (count * heads, Lq, wideK), over the items first .. first + count - 1. */
export class Strip {
  constructor(
    private readonly s: Sizes,
    private readonly first: number,
    private readonly count: number,
  ) {}

  /** alpha a b^T, a map. */
  compare(a: Channels, b: Channels, alpha = 1, mask?: Tensor): Tensor {
    const { heads, Lq, wideK } = this.s;
    const out = empty([this.count * heads, Lq, wideK]);
    const sizes = { rows: Lq, cols: wideK, depth: this.depth, ...this.products };
    const places = { a: this.tokens(a), b: this.tokens(b), out: this.map() };
    gemm({ ...sizes, alpha, ...places }, { a: a.x, b: b.x, bias: mask, out });
    return out;
  }

  /** y = alpha map x. */
  weigh(map: Tensor, x: Channels, y: Channels, alpha = 1): void {
    const { Lq, wideK } = this.s;
    const sizes = { rows: Lq, cols: this.depth, depth: wideK, ...this.products };
    const places = { a: this.map(), b: this.tokens(x, false), out: this.tokens(y) };
    gemm({ ...sizes, alpha, ...places }, { a: map, b: x.x, out: y.x });
  }

  /** y = alpha map^T x. */
  collect(map: Tensor, x: Channels, y: Channels, alpha = 1): void {
    const { Lq, wideK } = this.s;
    const sizes = { rows: wideK, cols: this.depth, depth: Lq, ...this.products };
    const places = { a: this.map(false), b: this.tokens(x, false), out: this.tokens(y) };
    gemm({ ...sizes, alpha, ...places }, { a: map, b: x.x, out: y.x });
  }

  /** From the gradient of the logits to those of q and k, where they are wanted. */
  toward(
    q: Channels,
    k: Channels,
    dA: Tensor,
    scale: number,
    grads: { dq: Channels | null; dk: Channels | null },
  ): void {
    const { dq, dk } = grads;
    if (dq) this.weigh(dA, k, dq, scale);
    if (dk) this.collect(dA, q, dk, scale);
  }

  /** Rescales the logits of the items that have another one as their source; `s` are the logits of the sources. */
  blend(x: Tensor, s: Tensor, source: Tensor): void {
    const { heads, Lq, Lk, wideK } = this.s;
    const rows = this.count * heads * Lq;
    const { T, units } = unitsOf(Lk);
    const ld = (wideK * units) / Lk;
    const params = { rows, cols: units, ld, first: this.first, rows_an_item: heads * Lq, per_column: 1 / Lk };
    const constants = { T, SHARE: T === "vec4f" ? 1 : 0.25, WORKGROUP: 64 };
    blendLogits.run({ source, s, x }, params, { workgroups: Math.ceil(rows / 64), constants });
  }

  private get depth(): number {
    return this.s.C / this.s.heads;
  }

  private get products() {
    return { batch: this.count, heads: this.s.heads };
  }

  private tokens({ x, first }: Channels, contiguous = true): Operand {
    const item = x.dim(1) * x.dim(2);
    return { contiguous, ld: x.dim(1), start: this.first * item + first, batchStride: item, headStride: this.depth };
  }

  private map(contiguous = true): Operand {
    const { heads, Lq, wideK } = this.s;
    return { contiguous, ld: wideK, batchStride: heads * Lq * wideK, headStride: Lq * wideK };
  }
}

/** The batch in strips whose logits fit `bytes` and the adapter, and whose products the grid. */
export function strips(s: Sizes, bytes = Number.POSITIVE_INFINITY): Strip[] {
  const limit = Math.min(bytes, device().limits.maxStorageBufferBindingSize);
  const fit = Math.min(Math.floor(limit / (4 * s.heads * s.Lq * s.wideK)), Math.floor(MAX_PRODUCTS / s.heads));
  const count = Math.max(1, fit); // an item that does not fit is refused by the kernel that should bind it
  const firsts = Array.from({ length: Math.ceil(s.B / count) }, (_, i) => i * count);
  return firsts.map((first) => new Strip(s, first, Math.min(count, s.B - first)));
}

export function sizesOf(op: string, q: { shape: Shape }, k: { shape: Shape }, heads: number): Sizes {
  const [B, C, Lq] = q.shape as [number, number, number];
  if (q.shape.length !== 3 || k.shape.length !== 3 || k.shape[0] !== B || k.shape[1] !== C) {
    throw new ShapeError(`${op}: q is ${show(q.shape)} and k ${show(k.shape)}; they need (B, C, Lq) and (B, C, Lk).`);
  }
  if ((C / heads) % 4) {
    throw new ShapeError(
      `${op}: ${C} channels are ${C / heads} for each of ${heads} heads; that must be a multiple of 4.`,
    );
  }
  const Lk = k.shape[2]!;
  return { B, C, heads, Lq, Lk, wideK: ceil4(Lk) };
}

export function checkValues(op: string, { B, C, Lk }: Sizes, v: Tensor): void {
  const [b, c, l] = v.shape;
  if (v.shape.length !== 3 || b !== B || c !== C || l !== Lk) {
    throw new ShapeError(`${op}: v is ${show(v)}, but k is ${show([B, C, Lk])}.`);
  }
}

/** Keys or values in channels_last, with zeros up to wideK. */
export const keysOf = (x: Tensor, { wideK }: Sizes): Tensor =>
  fitted(x, [...x.shape.slice(0, 2), wideK], "channels_last");

/** What is added to the logits of each key: 0, or for the zeros behind the last one so little that exp makes it 0. */
export function maskOf({ Lk, wideK }: Sizes): Tensor | undefined {
  if (wideK === Lk) return undefined;
  return tensor(Float32Array.from({ length: wideK }, (_, i) => (i < Lk ? 0 : -1e30)));
}
