// The samplers against the authors' ones, step by step: two-stage in both forms, ancestral with guidance.

import { scope } from "../../engine/scope.js";
import { noGrad } from "../../engine/tape.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { linear } from "../../models/schedule.js";
import { UNet, type UNetConfig } from "../../models/unet.js";
import { ddimJumps } from "../../sample/ddim.js";
import { ddpm, guided } from "../../sample/ddpm.js";
import { twoStage } from "../../sample/two-stage.js";
import { type Golden, loadGolden, normal, relativeError } from "../golden.js";
import { inFull, type ParityCase, parity } from "./cases.js";
import { goldenNet, once, WHOLE } from "./nets.js";

/** One entry of the metadata's `cases`. */
interface Case {
  mse_th: number;
  step_th: number;
  cfg_scale: number;
  ddim_steps: number;
  x_t_rows: number[];
  heatmap_rows: number[];
}

/** What a run of the sampler left behind, by the names of the file. */
interface Trace {
  x_t: Float32Array[];
  heatmap: Float32Array[];
  d_t: Float32Array[];
  flag_after: boolean[][];
  final: Float32Array;
}

const unetOf = (golden: Golden): Promise<UNet> =>
  goldenNet(
    `unet ${golden.tag} ${golden.meta("config")}`,
    golden,
    "",
    () => new UNet(golden.json<UNetConfig>("config")),
  );

async function trace(golden: Golden, c: Case, form: "cheap" | "literal"): Promise<Trace> {
  const unet = await unetOf(golden);
  const out: Trace = { x_t: [], heatmap: [], d_t: [], flag_after: [], final: new Float32Array() };
  const floats = async (x: Tensor) => (await x.read()) as Float32Array;
  await scope(async () => {
    const x = tensor(golden.values("x_T"), golden.shape("x_T"));
    const context = tensor(golden.values("context"), golden.shape("context"));
    const jumps = ddimJumps(linear().alphaBars, c.ddim_steps);
    const options = { threshold: c.mse_th, stepTh: c.step_th, guidance: c.cfg_scale, form };
    const result = await twoStage(unet, x, context, jumps, {
      ...options,
      onStep: async ({ index, x, heat, d, switched }) => {
        if (c.x_t_rows.includes(index)) out.x_t.push(await floats(x));
        if (heat && c.heatmap_rows.includes(index)) out.heatmap.push(await floats(heat));
        if (d) {
          out.d_t.push(d);
          out.flag_after.push([...switched]);
        }
      },
    });
    out.final = await floats(result.x);
  });
  return out;
}

const joined = (parts: ArrayLike<number>[]): number[] => parts.flatMap((part) => Array.from(part));

parity("sampler_small", async () => {
  const golden = loadGolden("sampler_small");
  const cases = golden.json<Record<string, Case>>("cases");
  return (["cheap", "literal"] as const).flatMap((form) =>
    Object.entries(cases).flatMap(([name, c], number): ParityCase[] => {
      if (form === "literal" && number > 0 && !inFull) return [];
      const run = once(() => trace(golden, c, form));
      const check = (part: string, got: (t: Trace) => ArrayLike<number>, allowed = WHOLE): ParityCase => ({
        file: "sampler_small",
        case: `${name}/${part} (${form})`,
        allowed,
        run: async () => relativeError(got(await run()), golden.values(`${name}/${part}`)),
      });
      return [
        check("x_t", (t) => joined(t.x_t)),
        check("heatmap", (t) => joined(t.heatmap)),
        check("d_t", (t) => joined(t.d_t)),
        check("flag_after", (t) => joined(t.flag_after.map((row) => row.map(Number))), 0),
        check("final", (t) => t.final),
      ];
    }),
  );
});

/** x after the listed steps, for one guidance: keys "999", "998", ... */
async function ancestral(golden: Golden, guidance: number, listed: Set<number>): Promise<Map<number, Float32Array>> {
  const unet = await unetOf(golden);
  const after = new Map<number, Float32Array>();
  await scope(() =>
    noGrad(async () => {
      const x = tensor(golden.values("x_T"), golden.shape("x_T"));
      const context = tensor(golden.values("context"), golden.shape("context"));
      const denoise = (x: Tensor, t: number) => {
        const cond = unet.forward(x, t, context);
        return guidance === 1 ? cond : guided(unet.forward(x, t, null), cond, guidance);
      };
      const noise = (t: number) => tensor(normal(`${golden.tag}ddpm.z.${t}`, x.shape), x.shape);
      const onStep = async (t: number, x: Tensor) => {
        if (listed.has(t)) after.set(t, (await x.read()) as Float32Array);
        if (t % 20 === 0) await x.storage.device.queue.settle();
      };
      await ddpm(denoise, x, linear(), { noise, onStep, until: Math.min(...listed) });
    }),
  );
  return after;
}

parity("ddpm_small", async () => {
  const golden = loadGolden("ddpm_small");
  const names = golden
    .names(/^guidance_/)
    .map((name) => /^guidance_([\d.]+)\/x_after\/(\d+)$/.exec(name))
    .filter((m) => m !== null);
  const guidances = [...new Set(names.map((m) => m[1]!))];
  return guidances.flatMap((g) => {
    const all = names.filter((m) => m[1] === g).map((m) => Number(m[2]));
    const steps = inFull ? all : all.filter((t) => t >= Math.max(...all) - 100);
    const run = once(() => ancestral(golden, Number(g), new Set(steps)));
    return steps.map(
      (t): ParityCase => ({
        file: "ddpm_small",
        case: `guidance_${g}/x_after/${t}`,
        allowed: WHOLE,
        run: async () => relativeError((await run()).get(t)!, golden.values(`guidance_${g}/x_after/${t}`)),
      }),
    );
  });
});
