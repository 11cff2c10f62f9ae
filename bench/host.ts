// What the host pays, by its own clock: recording, uploading and reading back. tinybench does the statistics.

import { Bench } from "tinybench";
import { device } from "../engine/device.js";
import { kernel, perElement } from "../engine/shader.js";
import { empty, tensor } from "../engine/tensor.js";

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
  return bench.tasks.map(({ name, result }) => {
    if (!("latency" in result)) throw new Error(`${name}: ${"error" in result ? String(result.error) : "was not run"}`);
    const { p50, samples = [] } = result.latency;
    return { name, ms: p50, samples: thinned(samples) };
  });
}

/** Evenly spaced ones of sorted samples, the first and the last among them. */
function thinned(samples: readonly number[]): number[] {
  const kept = Math.min(KEPT, samples.length);
  const step = (samples.length - 1) / Math.max(1, kept - 1);
  return Array.from({ length: kept }, (_, i) => samples[Math.round(i * step)]!);
}
