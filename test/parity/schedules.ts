// Noise schedules, learning rates and averaging decays against PyTorch's numbers. No adapter is needed.

import { cosine, cosineRestarts, emaDecay, multiStep } from "../../engine/schedules.js";
import { cosine as cosineNoise, cosineWarped, linear, type Schedule, schedule } from "../../models/schedule.js";
import { type Golden, loadGolden, relativeError } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";

const float32 = 1e-6; // numbers stored as float32
const float64 = 1e-12;

/** A case that only computes numbers. */
const numbers = (
  file: string,
  name: string,
  allowed: number,
  got: () => ArrayLike<number>,
  want: ArrayLike<number>,
): ParityCase => ({ file, case: name, allowed, run: async () => relativeError(got(), want) });

const series = (n: number, value: (step: number) => number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => value(i));

parity("ddpm_small", async () => {
  const golden = loadGolden("ddpm_small");
  return golden.names(/^schedule\/.*\/betas$/).flatMap((betas) => {
    const name = betas.split("/")[1]!;
    const want = golden.values(betas);
    const bars = `schedule/${name}/alpha_bars`;
    return [
      numbers("ddpm_small", betas, float32, () => namedSchedule(golden, name, want.length).betas, want),
      numbers(
        "ddpm_small",
        bars,
        float32,
        () => namedSchedule(golden, name, want.length).alphaBars,
        golden.values(bars),
      ),
      // From the file's own betas, so that this sees the log-sum alone.
      numbers("ddpm_small", `${bars} of those betas`, float32, () => schedule(want).alphaBars, golden.values(bars)),
    ];
  });
});

/** `linear_T250`, `cosine` and `cosine_warped`, the latter two with bounds and k from the metadata. */
function namedSchedule(golden: Golden, name: string, steps: number): Schedule {
  if (name.startsWith("linear")) return linear(steps);
  const bounds = { betaMin: golden.number("beta_min"), betaMax: golden.number("beta_max") };
  const k = golden.json<Record<string, number>>("schedule_k")[name];
  if (k === undefined) throw new Error(`ddpm_small names no k for schedule ${name}.`);
  return name === "cosine" && k === 1 ? cosineNoise(steps, bounds) : cosineWarped(steps, k, bounds);
}

parity("sampler_small", async () => {
  const want = loadGolden("sampler_small").values("alpha_bars");
  return [numbers("sampler_small", "alpha_bars", float32, () => linear(want.length).alphaBars, want)];
});

parity("train_small", async () => {
  const golden = loadGolden("train_small");
  const settings = {
    lr: golden.number("lr"),
    firstCycle: golden.number("T_0"),
    cycleFactor: golden.number("T_mult"),
    minimum: golden.number("eta_min"),
  };
  const lr = golden.values("lr");
  const decay = golden.values("ema_decay");
  // The metadata gives the rule in words: "min(0.999, ...)".
  const limit = Number(/min\((0?\.\d+)/.exec(golden.meta("ema"))?.[1] ?? Number.NaN);
  return [
    numbers("train_small", "lr", float32, () => series(lr.length, (step) => cosineRestarts(step, settings)), lr),
    numbers("train_small", "ema_decay", float32, () => series(decay.length, (i) => emaDecay(i + 1, limit)), decay),
  ];
});

parity("optim", async () => {
  const golden = loadGolden("optim");
  const rates = golden.names(/\/lr$/).map((name) => {
    const want = Float64Array.from(golden.read(name).data as Float64Array);
    const rule = ruleBehind(name, want);
    return numbers("optim", name, float64, () => series(want.length, rule), want);
  });
  const decay = golden.read("ema/decay").data as Float64Array;
  const got = () => series(decay.length, (i) => emaDecay(i + 1, "official-noop"));
  return [...rates, numbers("optim", "ema/decay", float64, got, decay)];
});

/**
 * The schedule of an optimiser's case. The file gives only its name and its numbers, so the settings are read off the
 * first numbers; all the others must then follow.
 */
function ruleBehind(name: string, want: Float64Array): (step: number) => number {
  const lr = want[0]!;
  const steps = [...want.keys()].slice(1);
  if (name.includes("cosine")) {
    // With c = cos(pi / period): fall_1 = (lr - minimum) (1 - c) / 2 and fall_2 = (lr - minimum) (1 - c^2).
    const [fall1, fall2] = [lr - want[1]!, lr - want[2]!];
    const restarts = steps.filter((step) => want[step] === lr);
    const restarting = name.includes("restarts") && restarts.length > 0;
    const period = restarting ? restarts[0]! : Math.round(Math.PI / Math.acos(fall2 / (2 * fall1) - 1));
    const minimum = period === 1 ? 0 : lr - (2 * fall1) / (1 - Math.cos(Math.PI / period));
    if (!name.includes("restarts")) return (step) => cosine(step, { lr, period, minimum });
    const fallAfter = lr - (want[period + 1] ?? lr); // one step into the second cycle
    const second = Math.round(Math.PI / Math.acos(1 - (2 * fallAfter) / (lr - minimum)));
    const cycleFactor = fallAfter ? second / period : 1;
    return (step) => cosineRestarts(step, { lr, firstCycle: period, cycleFactor, minimum });
  }
  if (name.includes("step")) {
    const milestones = steps.filter((step) => want[step] !== want[step - 1]);
    const gamma = milestones.length ? want[milestones[0]!]! / lr : 1;
    return (step) => multiStep(step, { lr, milestones, gamma });
  }
  return () => lr;
}
