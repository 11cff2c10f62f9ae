// The form of attention.ts for GPUs: no map in memory, one kernel there and one back.

import { device } from "../device.js";
import { bindable, viewOf } from "../parts.js";
import { kernel } from "../shader.js";
import { empty, type Tensor } from "../tensor.js";
import type { Channels, Sizes } from "./attention_strip.js";
import { foldGroups } from "./gemm_plan.js";
import { behind } from "./tiled_plan.js";

const forward = kernel("attention_tiled"); //           q, k, v             -> y, lse
const backward = kernel("attention_tiled_backward"); // q, k, v, y, dy, lse -> grads

/** Channels of a head beyond which a thread's rows do not fit its registers. */
const WIDEST = 64;

export interface Operands {
  q: Channels;
  k: Channels;
  v: Channels;
}

/** Whether these sizes are for this form. */
export function fitsTiles({ C, heads }: Sizes, inputs: readonly Tensor[]): boolean {
  const grads = { size: inputs.reduce((sum, x) => sum + behind(x.size), 0) };
  return device().family === "tiled" && C / heads <= WIDEST && bindable([grads]);
}

/** y, and for the way back the logarithm of each query's sum of exp, (B, heads, Lq). */
export function attend(s: Sizes, o: Operands, scale: number): { y: Tensor; lse: Tensor } {
  const y = empty([s.B, s.C, s.Lq], "f32", "channels_last");
  const lse = empty([s.B, s.heads, s.Lq]);
  const params = { ...common(s, scale), ...places({ ...o, y: { x: y, first: 0 } }) };
  forward.run({ q: o.q.x, k: o.k.x, v: o.v.x, y, lse }, params, launch(s, [s.Lq]));
  return { y, lse };
}

/**
 * The gradients of the inputs `xs`, one behind the other in one buffer, because one binding takes all.
 *
 * @param within   the operands when the inputs, or their gradients, are these
 */
export function attendBackward(
  s: Sizes,
  xs: readonly Tensor[],
  within: (xs: readonly Tensor[]) => Operands,
  { y, dy, lse }: { y: Tensor; dy: Tensor; lse: Tensor },
  scale: number,
): Tensor[] {
  const o = within(xs);
  const starts = xs.map((_, i) => xs.slice(0, i).reduce((sum, x) => sum + behind(x.size), 0));
  const grads = empty([starts.at(-1)! + behind(xs.at(-1)!.size)]);
  const dxs = xs.map((x, i) => viewOf(grads, x.shape, x.layout, starts[i]!));
  const d = within(dxs);
  const inBuffer = ({ x, first }: Channels): Channels => ({ x, first: x.offset / 4 + first });
  const dAt = { dq: inBuffer(d.q), dk: inBuffer(d.k), dv: inBuffer(d.v) };
  const params = { ...common(s, scale), ...places({ ...o, y: { x: y, first: 0 }, ...dAt }) };
  backward.run({ q: o.q.x, k: o.k.x, v: o.v.x, y, dy, lse, grads }, params, launch(s, [s.Lq, s.Lk]));
  return dxs;
}

const common = ({ B, heads, Lq, Lk }: Sizes, scale: number) => ({ items: B, heads, Lq, Lk, scale });

/** Where each operand begins, and its strides; those of the way back are zero on the way there. */
function places(operands: Record<string, Channels>): Record<string, readonly number[]> {
  const none = { dq: NOWHERE, dk: NOWHERE, dv: NOWHERE };
  const at = ({ x, first }: Channels) => [first, x.dim(1), x.dim(1) * x.dim(2), 0];
  return { ...none, ...Object.fromEntries(Object.entries(operands).map(([name, o]) => [name, at(o)])) };
}

const NOWHERE = [0, 0, 0, 0];

/** A thread a query or key, as many in every head as the sum of `lengths`. */
function launch({ B, C, heads }: Sizes, lengths: readonly number[]) {
  const WORKGROUP = Math.max(...lengths) <= 32 ? 32 : 64;
  const groups = lengths.reduce((sum, length) => sum + Math.ceil(length / WORKGROUP), 0);
  return { workgroups: foldGroups(B * heads * groups), constants: { D: C / heads, WORKGROUP } };
}
