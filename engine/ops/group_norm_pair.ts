// Group normalisation of two tensors joined in their channels, the form of a UNet's skips. On GPUs the kernels of
// group_norm_whole.ts join them as they pass, and take their gradients apart.

import { bindable, viewOf } from "../parts.js";
import { record } from "../tape.js";
import { empty, type Tensor } from "../tensor.js";
import { cat, recordPair } from "./cat.js";
import { type GroupNormOptions, groupNorm, weightGradients } from "./group_norm.js";
import { memoryOf, type Norm } from "./group_norm_plan.js";
import { fitsWorkgroup, wholeBackward, wholeForward } from "./group_norm_whole.js";
import { behind } from "./tiled_plan.js";

/**
 * cat([a, b], 1) and its groupNorm.
 *
 * @param a, b     (B, C, ...), (B, C', ...)
 * @param w, bias  (C + C')
 */
export function groupNormPair(
  [a, b]: readonly [Tensor, Tensor],
  groups: number,
  w: Tensor,
  bias: Tensor,
  { eps = 1e-5, silu = false }: Pick<GroupNormOptions, "eps" | "silu"> = {},
): { x: Tensor; y: Tensor } {
  const [batch, channels] = [a.dim(0), a.dim(1) + b.dim(1)];
  const n = a.size + b.size;
  const last = a.layout === "channels_last" && b.layout === "channels_last" && a.dtype === "f32" && b.dtype === "f32";
  const whole = fitsWorkgroup({ x: { size: n }, batch, groups }) && bindable([{ size: behind(n) + n }]);
  if (!last || !whole || channels % groups || a.shape.slice(2).join() !== b.shape.slice(2).join()) {
    const x = cat([a, b], 1);
    return { x, y: groupNorm(x, groups, w, bias, { eps, silu }) };
  }
  const shape = [batch, channels, ...a.shape.slice(2)];
  const all = empty([behind(n) + n]);
  const [y, joined] = [0, behind(n)].map((from) => viewOf(all, shape, "channels_last", from)) as [Tensor, Tensor];
  const x = recordPair(a, b, joined);
  const norm: Norm = { x, memory: memoryOf(x, false), batch, groups, eps, silu, w, bias };
  const { stats, affine } = wholeForward(norm, y, { first: a, second: b, all });
  all.dispose();
  const shapes = [a.shape, b.shape] as const;
  // The fifth input is for what has arrived at x: its gradient goes on from here, and nothing is left for recordPair's rule.
  record(y, { inputs: [a, b, w, bias, x], saved: [stats, affine, x, w, bias] }, (dy, needs, take) => {
    const other = take(4);
    const { sums, dx } = wholeBackward(norm, dy, { stats, affine }, true, () => other, shapes[0][1]);
    const [da, db] = [0, behind(a.size)].map((from, i) => viewOf(dx, shapes[i]!, "channels_last", from));
    const arrived = (name: "w" | "bias") => (needs[name === "w" ? 2 : 3] ? take(name === "w" ? 2 : 3) : undefined);
    const rest = needs[2] || needs[3] ? weightGradients(norm, sums, arrived) : undefined;
    return [
      needs[0] ? da! : null,
      needs[1] ? db! : null,
      needs[2] ? rest!.w : null,
      needs[3] ? rest!.bias : null,
      null,
    ];
  });
  return { x, y };
}
