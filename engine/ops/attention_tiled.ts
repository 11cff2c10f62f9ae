// The form of attention.ts for GPUs: no map in memory, one kernel there and two back.

import { device } from "../device.js";
import { bindable } from "../parts.js";
import { kernel } from "../shader.js";
import { empty, type Tensor } from "../tensor.js";
import { type Channels, copyChannels, type Sizes } from "./attention_strip.js";
import { foldGroups } from "./gemm_plan.js";

const forward = kernel("attention_tiled"); //        q, k, v              -> y, lse
const queryKernel = kernel("attention_tiled_query"); // q, k, v, y, dy, lse -> delta, dq
const keyKernel = kernel("attention_tiled_key"); //     q, k, v, dy, delta  -> dkv

/** Channels of a head beyond which a thread's rows do not fit its registers. */
const WIDEST = 64;

export interface Operands {
  q: Channels;
  k: Channels;
  v: Channels;
}

/** Whether these sizes are for this form. */
export function fitsTiles({ C, heads }: Sizes, inputs: readonly Tensor[]): boolean {
  return device().family === "tiled" && C / heads <= WIDEST && bindable(inputs);
}

/** y, and for the way back the logarithm of each query's sum of exp, (B, heads, Lq). */
export function attend(s: Sizes, o: Operands, scale: number): { y: Tensor; lse: Tensor } {
  const y = empty([s.B, s.C, s.Lq], "f32", "channels_last");
  const lse = empty([s.B, s.heads, s.Lq]);
  const params = { ...common(s, scale), ...places({ ...o, y: { x: y, first: 0 } }) };
  forward.run({ q: o.q.x, k: o.k.x, v: o.v.x, y, lse }, params, launch(s, s.Lq));
  return { y, lse };
}

/** The gradients, into `d`. */
export function attendBackward(
  s: Sizes,
  o: Operands & { y: Tensor; dy: Tensor; lse: Tensor },
  scale: number,
  d: Operands,
): void {
  const packed = d.k.x === d.v.x; // one binding for both: a buffer cannot be written through two
  const x = packed ? d.k.x : empty([s.B, 2 * s.C, s.Lk], "f32", "channels_last");
  const [dk, dv] = packed
    ? [d.k, d.v]
    : [
        { x, first: 0 },
        { x, first: s.C },
      ];
  const delta = empty([s.B, s.heads, s.Lq]);
  const at = places({ q: o.q, k: o.k, v: o.v, y: { x: o.y, first: 0 }, dq: d.q, dk, dv });
  const params = { ...common(s, scale), ...at };
  const inputs = { q: o.q.x, k: o.k.x, v: o.v.x, dy: o.dy, lse: o.lse };
  queryKernel.run({ ...inputs, y: o.y, delta, dq: d.q.x }, params, launch(s, s.Lq));
  keyKernel.run({ ...inputs, delta, dkv: x }, params, launch(s, s.Lk));
  if (packed) return;
  copyChannels(dk, d.k.x);
  copyChannels(dv, d.v.x);
}

const common = ({ B, heads, Lq, Lk }: Sizes, scale: number) => ({ items: B, heads, Lq, Lk, scale });

/** Where each operand begins, and its strides; those of the way back are zero on the way there. */
function places(operands: Record<string, Channels>): Record<string, readonly number[]> {
  const none = { dq: NOWHERE, dk: NOWHERE, dv: NOWHERE };
  const at = ({ x, first }: Channels) => [first, x.dim(1), x.dim(1) * x.dim(2), 0];
  return { ...none, ...Object.fromEntries(Object.entries(operands).map(([name, o]) => [name, at(o)])) };
}

const NOWHERE = [0, 0, 0, 0];

/** A thread a query or key, `length` of them in every head. */
function launch({ B, C, heads }: Sizes, length: number) {
  const WORKGROUP = length <= 32 ? 32 : 64;
  const groups = B * heads * Math.ceil(length / WORKGROUP);
  return { workgroups: foldGroups(groups), constants: { D: C / heads, WORKGROUP } };
}
