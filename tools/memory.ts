// npm run -s memory -- [--net unet_cond_ca_cpd25_uncond20] [--batch 1] [--side 32] [--recompute] [--json]: how much GPU memory a
// training step of the diffusion model takes, counted by the pool of the engine.
//
//   live   what tensors hold: weights, gradients, Adam's two moments, what the tape saves, temporaries; the most at one time
//   held   all buffers, with those that are kept for reuse
//
// Two steps are run on random latents; the second one takes the buffers of the first.

import { parseArgs } from "node:util";
import { describe } from "../engine/adapter.js";
import { type Device, openDevice } from "../engine/device.js";
import { UifaceError, UsageError } from "../engine/errors.js";
import { mse } from "../engine/ops/loss.js";
import { randn } from "../engine/ops/random.js";
import { Adam } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { backward } from "../engine/tape.js";
import { unets } from "../models/configs.js";
import { UNet } from "../models/unet.js";

const STEPS = 2;

interface Options {
  net: keyof typeof unets;
  batch: number;
  side: number;
  recompute: boolean;
  json: boolean;
}

/** Bytes after a phase, and the most that was live in it. */
interface Row {
  phase: string;
  live: number;
  peak: number;
  held: number;
  seconds: number;
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      net: { type: "string", default: "unet_cond_ca_cpd25_uncond20" },
      batch: { type: "string", default: "1" },
      side: { type: "string", default: "32" },
      recompute: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const { net, recompute, json } = values;
  if (!(net in unets)) throw new UsageError(`--net is "${net}", but can be ${Object.keys(unets).join(", ")}.`);
  const [batch, side] = [Number(values.batch), Number(values.side)];
  if (!(batch >= 1 && side >= 8)) throw new UsageError("--batch takes a number from 1 on, --side one from 8 on.");
  return { net: net as keyof typeof unets, batch, side, recompute, json };
}

async function measure(dev: Device, { net, batch, side, recompute }: Options): Promise<Row[]> {
  const rows: Row[] = [];
  let since = performance.now();
  const look = async (phase: string) => {
    await dev.queue.idle();
    const { liveBytes: live, idleBytes, peakBytes: peak } = dev.pool;
    rows.push({ phase, live, peak, held: live + idleBytes, seconds: (performance.now() - since) / 1000 });
    dev.pool.resetPeak();
    since = performance.now();
  };
  const unet = new UNet(unets[net]).init(0);
  await look("weights");
  const adam = new Adam(unet.parameters());
  await look("optimiser");
  const { input_channels, context_input_channels } = unet.config;
  for (let step = 1; step <= STEPS; step++) {
    await scope(async () => {
      const rng = random(0, step);
      const x = randn([batch, input_channels, side, side], rng);
      const context = randn([batch, context_input_channels], rng);
      const loss = mse(unet.forward(x, 500, context, { rng, recompute }), x);
      await look(`step ${step} forward`);
      backward(loss);
    });
    await look(`step ${step} backward`);
    adam.step({ lr: 1e-4 });
    adam.zeroGrad();
    await look(`step ${step} update`);
  }
  await adam.check();
  return rows;
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1).padStart(10);

async function main(): Promise<void> {
  const given = options();
  const dev = await openDevice();
  try {
    const adapter = `${describe(dev.info)} (${dev.kind})`;
    console.error(`adapter  ${adapter}`);
    const rows = await measure(dev, given);
    const [peak, held] = [Math.max(...rows.map((row) => row.peak)), dev.pool.peakHeldBytes];
    if (given.json) console.log(JSON.stringify({ adapter, ...given, peak, held, rows }));
    else {
      console.log("phase                live MiB  peak MiB  held MiB   seconds");
      for (const { phase, seconds, ...bytes } of rows)
        console.log(
          `${phase.padEnd(18)}${mib(bytes.live)}${mib(bytes.peak)}${mib(bytes.held)}${seconds.toFixed(1).padStart(10)}`,
        );
      console.log(`at most           ${" ".repeat(10)}${mib(peak)}${mib(held)}`);
    }
  } finally {
    dev.close();
  }
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UifaceError ? error.exitCode : 1;
}
