// The form of group_norm.ts for GPUs in which a workgroup does a whole group, in one kernel each way.

import { device } from "../device.js";
import { toLayout } from "../layout.js";
import { bindable } from "../parts.js";
import { kernel } from "../shader.js";
import type { Take } from "../tape.js";
import { empty, emptyLike, planes, type Tensor } from "../tensor.js";
import type { Found, Norm } from "./group_norm_plan.js";
import { stridesOf } from "./strided.js";
import { behind } from "./tiled_plan.js";

const forward = kernel("group_norm_whole"); //           x, w ...      -> stats, affine, y
const backward = kernel("group_norm_whole_backward"); // x, dy, stats  -> sums, dx

/** Elements that a workgroup of 256 walks in time: 64 turns a thread. A larger group leaves too many multiprocessors idle. */
const MOST = 16_384;

/** Whether a group is one workgroup's work. */
export function fitsWorkgroup({ x, batch, groups }: { x: { size: number }; batch: number; groups: number }): boolean {
  return device().family === "tiled" && bindable([x]) && x.size <= MOST * batch * groups;
}

/** x in two tensors, channels_last: the first of its channels and the others; `all`, y's memory, takes x too, behind y. */
export interface Pair {
  first: Tensor;
  second: Tensor;
  all: Tensor;
}

/** Fills y; also the statistics and the map, for the way back. */
export function wholeForward(norm: Norm, y: Tensor, pair?: Pair): Found {
  const { x, batch, groups, w, bias, modulation } = norm;
  const found = { stats: empty([batch, groups, 2]), affine: empty([batch, 3, x.dim(1)]) };
  const inputs = { x: pair?.first ?? x, x2: pair?.second ?? x, w: w!, bias: bias!, modulation: modulation ?? w! };
  const { params, launch } = plan(norm, y, pair?.first.dim(1));
  const constants = { ...launch.constants, MODULATED: Boolean(modulation) };
  const place = { first: pair?.first.dim(1) ?? 0, behind: behind(y.size) };
  forward.run({ ...inputs, y: pair?.all ?? y, ...found }, { ...params, ...place }, { ...launch, constants });
  return found;
}

/**
 * Sums and dx; dx takes up what has arrived at x from elsewhere.
 *
 * @param first   channels of a pair's first tensor, whose gradient dx then begins with; behind it is that of the second
 */
export function wholeBackward(norm: Norm, dy: Tensor, found: Found, wants: boolean, take: Take, first = 0) {
  const { x, batch } = norm;
  const sums = empty([batch, 2, x.dim(1)]);
  const part = (x.size / x.dim(1)) * first;
  const dx = first ? empty([behind(part) + x.size - part]) : emptyLike(x);
  const other = wants ? take(0) : undefined;
  const plus = other && toLayout(other, x.layout);
  const { params, launch } = plan(norm, dy, first);
  const constants = { ...launch.constants, PLUS: Boolean(plus) };
  const place = { first, behind: behind(part) };
  backward.run({ x, dy, ...found, plus: plus ?? x, sums, dx }, { ...params, ...place }, { ...launch, constants });
  return { sums, dx };
}

/** y: a tensor that lies as y does. */
function plan({ x, batch, groups, eps, silu: SILU }: Norm, y: Tensor, first = 0) {
  const { channels, pixels } = planes(x.shape);
  const count = x.size / (batch * groups);
  const constants = {
    WORKGROUP: count > 1024 ? 256 : 64,
    WIDTH: channels / groups,
    LAST: pixels === 1 || x.layout === "channels_last",
    SILU,
    PAIR: first > 0,
  };
  const params = { batch, groups, pixels, eps, x_strides: steps(x), y_strides: steps(y) };
  return { params, launch: { workgroups: batch * groups, constants } };
}

/** From one pixel to the next, and from one channel to the next. */
const steps = (x: Tensor): [number, number] => {
  const strides = stridesOf(x.shape, x.layout);
  return [strides.at(-1)!, strides[1]!];
};
