// What the host pays, by its own clock: recording, uploading and reading back (tinybench does the statistics); and its part of
// calls of the small UNet, made and replayed (engine/replay.ts), in each family of kernels that the adapter runs.

import { Bench } from "tinybench";
import { device, type Family } from "../engine/device.js";
import { Adam } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { replay } from "../engine/replay.js";
import { kernel, perElement } from "../engine/shader.js";
import { backward, noGrad } from "../engine/tape.js";
import { empty, type Tensor, tensor } from "../engine/tensor.js";
import { unets } from "../models/configs.js";
import { UNet } from "../models/unet.js";
import { diffusionDefaults, drawBatch, gradientStep, noiseLoss } from "../train/diffusion.js";
import { type Job, timed } from "./nets.js";

export interface HostRow {
  name: string;
  /** Median milliseconds a call. */
  ms: number;
  /** Some of the samples, sorted: enough for quartiles. */
  samples: number[];
}

/** Samples that a row keeps of thousands. */
const KEPT = 25;

export async function measureHost(quick: boolean): Promise<HostRow[]> {
  const { queue } = device();
  const small = tensor(new Float32Array(64), [64]);
  const y = empty([64]);
  const large = empty([16 * 2 ** 20]);
  const data = new Float32Array(large.size);
  const add = () => kernel("add").run({ a: small, b: small, y }, { n: 64 }, perElement(64));

  // Few iterations: an upload of 64 MiB takes 20 to 200 ms on a software adapter.
  const time = quick ? 100 : 400;
  const bench = new Bench({ time, iterations: 5, warmupTime: 20, warmupIterations: 1, retainSamples: true });
  bench
    .add("1,000 dispatches of 64 floats, recorded and run", async () => {
      for (let i = 0; i < 1000; i++) add();
      await queue.idle();
    })
    .add("one dispatch and a read back of 256 B", async () => {
      add();
      await y.read();
    })
    .add("upload of 64 MiB", async () => {
      large.write(data);
      await queue.idle();
    })
    .add("read back of 64 MiB", async () => {
      await large.read();
    });
  await bench.run();
  for (const t of [small, y, large]) t.dispose();
  const rows = bench.tasks.map(({ name, result }) => {
    if (!("latency" in result)) throw new Error(`${name}: ${"error" in result ? String(result.error) : "was not run"}`);
    const { p50, samples = [] } = result.latency;
    return { name, ms: p50, samples: thinned(samples) };
  });
  return [...rows, ...(await measureCalls(quick ? 5 : 15))];
}

/** Rounds before the first that counts: kernels are compiled, and calls are recorded. */
const WARM = 4;

/** The host's part of a call and the whole, for every form of it in turn. */
async function measureCalls(rounds: number): Promise<HostRow[]> {
  const dev = device();
  const own = dev.family;
  const rows: HostRow[] = [];
  for (const family of new Set<Family>([own, "tiled"])) {
    dev.family = family;
    const { forms, dispose } = callsOfSmallNet();
    const seen = forms.map(() => ({ host: [] as number[], whole: [] as number[] }));
    for (let round = -WARM; round < rounds; round++) {
      for (const [i, { run }] of forms.entries()) {
        const { recordMs, ms } = await timed(dev, { run });
        if (round < 0) continue;
        seen[i]!.host.push(recordMs);
        seen[i]!.whole.push(ms);
      }
    }
    dispose();
    for (const [i, { name }] of forms.entries()) {
      for (const [part, times] of Object.entries(seen[i]!)) {
        const samples = times.sort((a, b) => a - b);
        rows.push({ name: `${name}, ${family}: ${part}`, ms: samples[samples.length >> 1]!, samples });
      }
    }
  }
  dev.family = own;
  return rows;
}

/** A training step and a forward pass, made and replayed: eight latents of 16 x 16. */
function callsOfSmallNet(): { forms: (Pick<Job, "run"> & { name: string })[]; dispose: () => void } {
  const [B, shape, dim, count] = [8, [3, 16, 16], 128, 8];
  const rng = random(0, "bench");
  const data = { z: rng.normals(2 * count * 768), shape, contexts: rng.normals(count * dim), dim, count };
  const settings = { ...diffusionDefaults, batch: B };
  const [unet, resting] = [new UNet(unets.tiny).init(0), new UNet(unets.tiny).init(1)];
  const adam = new Adam(unet.parameters());
  const gradients = gradientStep(unet, settings);
  const pass = replay((x: Tensor, t: readonly number[], context: Tensor) =>
    noGrad(() => resting.forward(x, t, context)),
  );
  const [x, context] = [tensor(rng.normals(B * 768), [B, ...shape]), tensor(rng.normals(B * dim), [B, dim])];
  const t = new Array<number>(B).fill(500);
  const update = () => {
    adam.step({ lr: 1e-4 });
    adam.zeroGrad();
  };
  let number = 0;
  const forms = [
    {
      name: "training step of the small net, batch 8",
      run: () => {
        backward(noiseLoss(unet, drawBatch(data, settings, number++), settings));
        update();
      },
    },
    {
      name: "training step of the small net, batch 8, replayed",
      run: () => {
        gradients.run(...drawBatch(data, settings, number++));
        update();
      },
    },
    { name: "forward pass of the small net, batch 8", run: () => void noGrad(() => resting.forward(x, t, context)) },
    { name: "forward pass of the small net, batch 8, replayed", run: () => void pass.run(x, t, context) },
  ];
  const held = [gradients, pass, adam, unet, resting, x, context];
  return {
    forms,
    dispose: () => {
      for (const one of held) one.dispose();
    },
  };
}

/** Evenly spaced ones of sorted samples, the first and the last among them. */
function thinned(samples: readonly number[]): number[] {
  const kept = Math.min(KEPT, samples.length);
  const step = (samples.length - 1) / Math.max(1, kept - 1);
  return Array.from({ length: kept }, (_, i) => samples[Math.round(i * step)]!);
}
