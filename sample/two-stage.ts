// The two-stage sampler (paper, section 3.3): first the empty context shapes a face of any kind, then the identity takes over.
//
//   stage 1   t >= stepTh    unconditional; a row whose attention has settled (d_t < threshold) switches early: from the next step on
//                            it is denoised with its identity's context, its self-attention still that of the empty context
//   stage 2   t <  stepTh    every row with its identity, guided:  e = (1 + w) e_cond - w e_uncond; the conditional pass takes the
//                            unconditional one's self-attention and half of its cross-attention's spread
//
//   h_t       where the cross-attention looks, (B, 32, 32), models/attention.ts        d_t = mean |h_{t+skip} - h_t|
//
// Two forms that give the same numbers. The literal one is the official code: two calls a step, raw logits handed from the first to
// the second. The cheap one makes one call: the unconditional rows first, behind them the conditional rows that matter, whose
// attention reads q and k of their unconditional row. No map is stored, and stage 1 computes conditional rows only for switched ones.
// Its calls are recorded (engine/replay.ts): all of stage 2 are alike, and those of stage 1 between two switches.

import { add, mul, sub } from "../engine/ops/binary.js";
import { cat } from "../engine/ops/cat.js";
import { gatherRows } from "../engine/ops/gather_rows.js";
import { mean } from "../engine/ops/reduce.js";
import { abs } from "../engine/ops/unary.js";
import { type Replay, replay } from "../engine/replay.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import type { Tensor } from "../engine/tensor.js";
import type { UNet } from "../models/unet.js";
import { ddimStep, type Jump } from "./ddim.js";

export interface TwoStageOptions {
  /** A row switches when its d_t is below; 0 never. The official configuration calls it MSE_th. */
  threshold?: number;
  /** Steps below are stage 2 whatever d_t was. */
  stepTh?: number;
  /** w: e = (1 + w) e_cond - w e_uncond in stage 2. */
  guidance?: number;
  /** Ablations: leave the unconditional pass's attention out. Default true. */
  injectSelf?: boolean;
  injectCross?: boolean;
  /** `literal`: as the official code computes it. Default `cheap`. */
  form?: "cheap" | "literal";
  /** Sees every step after its update. Tensors are freed when it returns. */
  onStep?: (step: TwoStageStep) => void | Promise<void>;
}

export interface TwoStageStep {
  t: number;
  /** 0-based number of the step. */
  index: number;
  stage: 1 | 2;
  x: Tensor;
  /** The guided noise that x was denoised with. */
  eps: Tensor;
  /** h_t (B, 32, 32); stage 1 only. */
  heat: Tensor | undefined;
  /** d_t of each row; from the second step of stage 1 on. */
  d: Float32Array | undefined;
  /** Which rows have switched, this step's decision included. */
  switched: readonly boolean[];
}

export interface TwoStageResult {
  /** (B, 3, h, w) */
  x: Tensor;
  /** The step t from which on each row had its identity: the one after its switch, or the first of stage 2. */
  conditionedFrom: number[];
  /** UNet rows computed, all passes together. */
  unetRows: number;
}

type Settings = Required<Omit<TwoStageOptions, "onStep" | "form">>;

/** One step's predicted noise, and in stage 1 where the attention looked. */
interface Prediction {
  eps: Tensor;
  heat?: Tensor;
  rows: number;
}

/**
 * Samples one latent for each context.
 *
 * @param x         (B, 3, h, w), standard normal
 * @param context   (B, D), L2-normalised
 * @param jumps     noisy to clean, see ddimJumps
 */
export async function twoStage(
  unet: UNet,
  x: Tensor,
  context: Tensor,
  jumps: readonly Jump[],
  options: TwoStageOptions = {},
): Promise<TwoStageResult> {
  if (options.form === "literal") return noGrad(() => walk(literal(unet), x, context, jumps, options));
  const net = recorded(unet);
  try {
    return await noGrad(() => walk(cheap(net), x, context, jumps, options));
  } finally {
    net.dispose();
  }
}

/** How a step predicts the noise. */
interface Form {
  first(x: Tensor, t: number, context: Tensor, switched: readonly boolean[], s: Settings): Prediction;
  second(x: Tensor, t: number, context: Tensor, s: Settings): Prediction;
}

const literal = (unet: UNet): Form => ({
  first: (...args) => literalFirst(unet, ...args),
  second: (...args) => literalSecond(unet, ...args),
});

const cheap = (net: Net): Form => ({
  first: (...args) => cheapFirst(net, ...args),
  second: (...args) => cheapSecond(net, ...args),
});

type Rows = readonly number[];
type Net = Replay<[x: Tensor, t: Rows, c: Tensor, flags: Rows, self?: Rows, cross?: Rows, heat?: boolean], Seen>;
type Seen = { eps: Tensor; heat: Tensor | undefined };

const recorded = (unet: UNet): Net =>
  replay((x, t, context, conditionFlag, selfRows, crossRows, wantsHeat = false) => {
    const rows = { ...(selfRows && { selfRows }), ...(crossRows && { crossRows }) };
    const { eps, heat } = unet.run(x, t, context, { conditionFlag, heat: wantsHeat, ...rows });
    return { eps, heat };
  });

async function walk(
  form: Form,
  x: Tensor,
  context: Tensor,
  jumps: readonly Jump[],
  options: TwoStageOptions,
): Promise<TwoStageResult> {
  const { onStep, ...given } = options;
  const s: Settings = { threshold: 0.006, stepTh: 500, guidance: 1, injectSelf: true, injectCross: true, ...given };
  const B = x.dim(0);
  const switched = new Array<boolean>(B).fill(false);
  const conditionedFrom = new Array<number>(B).fill(jumps.find((j) => j.t < s.stepTh)?.t ?? -1);
  let unetRows = 0;
  let at = x;
  let before: Tensor | undefined;

  for (const [index, jump] of jumps.entries()) {
    const stage = jump.t >= s.stepTh ? 1 : 2;
    const [next, heat] = await scope(async () => {
      const { eps, heat, rows } =
        stage === 1 ? form.first(at, jump.t, context, switched, s) : form.second(at, jump.t, context, s);
      unetRows += rows;
      const d = heat && before && ((await scope(() => meanAbsDifference(before!, heat)).read()) as Float32Array);
      d?.forEach((v, b) => {
        if (switched[b] || !(v < s.threshold)) return; // NaN (a constant map) never switches
        switched[b] = true;
        conditionedFrom[b] = jumps[index + 1]?.t ?? -1;
      });
      const x = ddimStep(at, eps, jump);
      await onStep?.({ t: jump.t, index, stage, x, eps, heat, d, switched: [...switched] });
      return [x, heat] as const;
    });
    if (at !== x) at.dispose();
    before?.dispose();
    at = next;
    before = heat;
  }
  before?.dispose();
  return { x: at, conditionedFrom, unetRows };
}

/** Stage 1, the official way: an unconditional pass for its self-attention, then a pass in which switched rows have their context. */
function literalFirst(
  unet: UNet,
  x: Tensor,
  t: number,
  context: Tensor,
  switched: readonly boolean[],
  s: Settings,
): Prediction {
  const empty = unet.run(x, t, null, { maps: true });
  const selfMaps = s.injectSelf ? empty.selfMaps : [];
  const own = unet.run(x, t, context, { conditionFlag: switched, selfMaps, heat: true });
  return { eps: own.eps, heat: own.heat!, rows: 2 * x.dim(0) };
}

/** Stage 2, the official way: an unconditional pass for its attention, then a conditional pass that takes it over. */
function literalSecond(unet: UNet, x: Tensor, t: number, context: Tensor, s: Settings): Prediction {
  const empty = unet.run(x, t, null, { maps: true });
  const { selfMaps, crossMaps } = empty;
  const own = unet.run(x, t, context, { ...(s.injectSelf && { selfMaps }), ...(s.injectCross && { crossMaps }) });
  return { eps: guide(empty.eps, own.eps, s.guidance), rows: 2 * x.dim(0) };
}

/** Stage 1 in one call: B unconditional rows, and behind them a conditional row for each that has switched. */
function cheapFirst(
  net: Net,
  x: Tensor,
  t: number,
  context: Tensor,
  switched: readonly boolean[],
  s: Settings,
): Prediction {
  const B = x.dim(0);
  const early = [...switched.keys()].filter((b) => switched[b]);
  const source = [...Array(B).keys(), ...early]; // the image that each row of the call denoises
  const flags = source.map((_, r) => Number(r >= B));
  const selfRows = source.map((b, r) => (s.injectSelf ? b : r));
  const [xs, contexts] = [gatherRows(x, source), gatherRows(context, source)];
  const steps = source.map(() => t);
  const { eps, heat } = net.run(xs, steps, contexts, flags, early.length ? selfRows : undefined, undefined, true);
  if (!early.length) return { eps, heat: heat!, rows: B };
  const chosen = Array.from({ length: B }, (_, b) => (switched[b] ? B + early.indexOf(b) : b));
  return { eps: gatherRows(eps, chosen), heat: gatherRows(heat!, chosen), rows: source.length };
}

/** Stage 2 in one call: B unconditional rows, then B conditional ones. */
function cheapSecond(net: Net, x: Tensor, t: number, context: Tensor, s: Settings): Prediction {
  const B = x.dim(0);
  const own = Array.from({ length: 2 * B }, (_, r) => r);
  const source = own.map((r) => r % B);
  const [xs, contexts] = [cat([x, x], 0), gatherRows(context, source)];
  const flags = own.map((r) => Number(r >= B));
  const [selfRows, crossRows] = [s.injectSelf ? source : own, s.injectCross ? source : undefined];
  const steps = own.map(() => t);
  const { eps } = net.run(xs, steps, contexts, flags, selfRows, crossRows);
  const half = (from: number) => gatherRows(eps, own.slice(from, from + B));
  return { eps: guide(half(0), half(B), s.guidance), rows: 2 * B };
}

/** Classifier-free guidance: (1 + w) e_cond - w e_uncond. */
const guide = (eUncond: Tensor, eCond: Tensor, w: number): Tensor => add(mul(eCond, 1 + w), mul(eUncond, -w));

/** d_t: (B, 32, 32) twice to (B). */
function meanAbsDifference(a: Tensor, b: Tensor): Tensor {
  return mean(abs(sub(a, b)), [1, 2]);
}
