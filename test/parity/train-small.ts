// Twelve real training steps of the small UNet: noising, condition flags, MSE, Adam, cosine restarts, averaging. Losses and
// gradient norms of every step, then all parameters and averages as probes.

import { mse } from "../../engine/ops/loss.js";
import { Adam, Ema } from "../../engine/optim.js";
import { scope } from "../../engine/scope.js";
import { backward } from "../../engine/tape.js";
import { tensor } from "../../engine/tensor.js";
import { linear } from "../../models/schedule.js";
import { UNet, type UNetConfig } from "../../models/unet.js";
import { type Golden, hashed, loadGolden, normal, probe, relativeError, u } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";
import { ensureDevice, floats, goldenNet, once, WHOLE } from "./nets.js";

type Probes = Map<string, [number, number]>;

interface Trained {
  loss: number[];
  gradNorm: number[];
  params: Probes;
  averages: Probes;
  /** Parameters whose gradient is zero by mathematics: in all steps it stayed at the level of rounding. */
  still: Set<string>;
}

/** A gradient's largest norm below this share of the median one is rounding noise (golden/README.md). */
const NOISE = 1e-4;

/** What step k works on, as the metadata says: "x0=hashed(TAG+train.x0.k,(B,3,16,16),1.5) ... flag=(u(...)>=-0.6)". */
function inputs(golden: Golden, k: number, config: UNetConfig) {
  const B = golden.number("batch");
  const name = (what: string) => `${golden.tag}train.${what}.${k}`;
  const told = /\(B,(\d+),(\d+),(\d+)\),([\d.]+)\)[\s\S]*>=(-?[\d.]+)\)/
    .exec(golden.meta("inputs"))
    ?.slice(1)
    .map(Number);
  if (!told) throw new Error(`train_small describes its inputs in a new way: ${golden.meta("inputs")}`);
  const [channels, height, width, amplitude, threshold] = told as [number, number, number, number, number];
  const shape = [B, channels, height, width];
  const x0 = hashed(name("x0"), shape, amplitude);
  const eps = normal(name("eps"), shape);
  const t = [...u(name("t"), B)].map((v) => Math.floor((1000 * (v + 1)) / 2));
  const { sqrtAlphaBars, sqrtOneMinusAlphaBars } = linear(1000);
  const row = x0.length / B;
  const x = x0.map((v, i) => {
    const at = t[Math.floor(i / row)]!;
    return sqrtAlphaBars[at]! * v + sqrtOneMinusAlphaBars[at]! * eps[i]!;
  });
  const C = config.context_input_channels;
  const context = normal(name("context"), [B, C]);
  const norms = Array.from({ length: B }, (_, b) => Math.hypot(...context.subarray(b * C, (b + 1) * C)));
  return {
    x: tensor(x, shape),
    eps: tensor(eps, shape),
    t,
    context: tensor(
      context.map((v, i) => v / norms[Math.floor(i / C)]!),
      [B, C],
    ),
    conditionFlag: [...u(name("flag"), B)].map((v) => v >= threshold),
  };
}

async function train(golden: Golden): Promise<Trained> {
  await ensureDevice();
  const config = golden.json<UNetConfig>("config");
  const net = await goldenNet("train_small", golden, "", () => new UNet(config));
  const adam = new Adam(net.parameters());
  const ema = new Ema(net.parameters());
  const [loss, gradNorm]: [number[], number[]] = [[], []];
  const largest = new Map<string, number>();
  const decay = golden.values("ema_decay");
  for (const [k, lr] of golden.values("lr").entries()) {
    await scope(async () => {
      const { x, eps, t, context, conditionFlag } = inputs(golden, k, config);
      const l = mse(net.forward(x, t, context, { conditionFlag }), eps);
      backward(l);
      loss.push(await l.item());
    });
    gradNorm.push(await adam.flat.measure().item());
    for (const [name, p] of net.namedParameters()) {
      if (!p.gradIsStale) largest.set(name, Math.max(largest.get(name) ?? 0, probe(name, await floats(p.grad!))[0]));
    }
    adam.step({ lr });
    adam.zeroGrad();
    ema.update(decay[k]!);
  }
  await adam.check();
  const sorted = [...largest.values()].sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1]!;
  const still = new Set([...largest].filter(([, norm]) => norm < NOISE * median).map(([name]) => name));
  const params: Probes = new Map();
  for (const [name, p] of net.namedParameters()) params.set(name, probe(name, await floats(p)));
  const averages: Probes = new Map();
  for (const [name, average] of ema.stateDict()) averages.set(name, probe(name, await floats(average)));
  ema.dispose();
  adam.dispose();
  return { loss, gradNorm, params, averages, still };
}

/** On the scale of the tensor's norm; where the gradient is noise, which Adam turns into full steps, on the scale of them all. */
function probeCase(
  golden: Golden,
  name: string,
  prefix: string,
  got: () => Promise<{ probes: Probes; still: Set<string> }>,
): ParityCase {
  const parameter = name.slice(prefix.length);
  const reach = golden.number("steps") * golden.number("lr");
  const run = async () => {
    const { probes, still } = await got();
    const have = probes.get(parameter);
    if (!have) throw new Error(`the net has no ${parameter}`);
    const want = golden.values(name);
    const off = Math.max(Math.abs(have[0] - want[0]!), Math.abs(have[1] - want[1]!));
    return off / (still.has(parameter) ? reach / WHOLE : Math.max(Math.abs(want[0]!), Math.abs(want[1]!)));
  };
  return { file: "train_small", case: name, allowed: WHOLE, run };
}

parity("train_small", async () => {
  const golden = loadGolden("train_small");
  const all = once(() => train(golden));
  const curve = (name: string, got: (t: Trained) => number[]): ParityCase => ({
    file: "train_small",
    case: name,
    allowed: WHOLE,
    run: async () => relativeError(got(await all()), golden.values(name)),
  });
  const probes = (prefix: string, got: (t: Trained) => Probes) =>
    golden.names(new RegExp(`^${prefix}`)).map((name) =>
      probeCase(golden, name, prefix, async () => {
        const trained = await all();
        return { probes: got(trained), still: trained.still };
      }),
    );
  return [
    curve("loss", (t) => t.loss),
    curve("grad_norm", (t) => t.gradNorm),
    ...probes("param_probe/", (t) => t.params),
    ...probes("ema_probe/", (t) => t.averages),
  ];
});
