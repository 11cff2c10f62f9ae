// 3. What a dispatch costs when its kernel does nothing: 3,000 of them, about as many as a training step has without fusion.
//
//   host   JavaScript until the commands are recorded (encode) and handed over (submit)
//   GPU    from the first to the last timestamp, so with the waits between dispatches
//
// Chained dispatches write the same buffer, and Dawn puts a barrier between them; independent ones have a buffer each.

import type { Device } from "../../engine/device.js";
import { quiet } from "../../engine/queue.js";
import { kernel } from "../../engine/shader.js";
import { zeros } from "../../engine/tensor.js";
import { quantile } from "../compare.js";
import { WrongResult } from "../measure.js";
import type { Table } from "../table.js";
import type { Context, Stage } from "./stage.js";

export const dispatchCount = ({ quick }: Pick<Context, "quick">): number => (quick ? 1000 : 3000);

/** The name that PyTorch's row refers to. */
export const ENGINE_CALL = "the engine's call (submits within encode)";

export const dispatchStage: Stage = {
  name: "dispatch",
  title: "What an empty dispatch costs",
  seconds: 40,
  async run(context) {
    const count = dispatchCount(context);
    for (const toggles of [[], ["skip_validation"]]) {
      const dev = await context.open({ toggles });
      const suffix = toggles.length ? `, ${toggles.join(", ")}` : "";
      const rows = [...(await rawForms(context, dev, count, suffix)), await engineForm(context, dev, count, suffix)];
      context.table({ ...tableOf(count), rows: rows.map((r) => ({ ...r })) });
    }
  },
};

const tableOf = (count: number): Omit<Table, "rows"> => ({
  title: `${count.toLocaleString("en")} dispatches of one thread`,
  note: "Microseconds a dispatch; ms is the wall time of all, from the first call to the end of the work. Checked by what they counted.",
  columns: [
    { key: "name", title: "form" },
    { key: "encodeUs", title: "encode µs", digits: 2 },
    { key: "submitUs", title: "submit µs", digits: 2 },
    { key: "gpuUs", title: "GPU µs", digits: 2 },
    { key: "ms", title: "all, ms" },
  ],
  bars: "gpuUs",
});

/** A row. */
interface Timing {
  name: string;
  encodeUs: number;
  submitUs: number;
  /** Undefined where only the whole was timed. */
  gpuUs: number | undefined;
  ms: number;
  samples: number[];
}

/** What a form of recording has at hand. */
interface Given {
  gpu: GPUDevice;
  pipeline: GPUComputePipeline;
  groups: readonly GPUBindGroup[];
  queries: GPUQuerySet | undefined;
  count: number;
}

/** A way to record the dispatches. */
type Form = readonly [name: string, record: (encoder: GPUCommandEncoder, given: Given) => void];

/** Offset of the parameters that all dispatches share. */
const NO_OFFSET = [0];

const forms: readonly Form[] = [
  ["chained, one pass", (encoder, given) => onePass(encoder, given, () => given.groups[0]!)],
  ["independent, one pass", (encoder, given) => onePass(encoder, given, (i) => given.groups[i]!)],
  ["chained, bound once", boundOnce],
  ["chained, a pass each", passEach],
];

/** As the engine records: pipeline, group with an offset, dispatch. */
function onePass(encoder: GPUCommandEncoder, given: Given, groupOf: (i: number) => GPUBindGroup): void {
  const pass = encoder.beginComputePass(stamps(given, true, true));
  for (let i = 0; i < given.count; i++) {
    pass.setPipeline(given.pipeline);
    pass.setBindGroup(0, groupOf(i), NO_OFFSET);
    pass.dispatchWorkgroups(1);
  }
  pass.end();
}

/** The least that WebGPU allows: dispatches alone. */
function boundOnce(encoder: GPUCommandEncoder, given: Given): void {
  const pass = encoder.beginComputePass(stamps(given, true, true));
  pass.setPipeline(given.pipeline);
  pass.setBindGroup(0, given.groups[0]!, NO_OFFSET);
  for (let i = 0; i < given.count; i++) pass.dispatchWorkgroups(1);
  pass.end();
}

/** As the profiler records, without its timestamps in between. */
function passEach(encoder: GPUCommandEncoder, given: Given): void {
  for (let i = 0; i < given.count; i++) {
    const pass = encoder.beginComputePass(stamps(given, i === 0, i === given.count - 1));
    pass.setPipeline(given.pipeline);
    pass.setBindGroup(0, given.groups[0]!, NO_OFFSET);
    pass.dispatchWorkgroups(1);
    pass.end();
  }
}

/** Timestamps at the ends of the passes that begin and end the whole. */
function stamps({ queries }: Given, begin: boolean, end: boolean): GPUComputePassDescriptor {
  if (!queries || !(begin || end)) return {};
  return {
    timestampWrites: {
      querySet: queries,
      ...(begin && { beginningOfPassWriteIndex: 0 }),
      ...(end && { endOfPassWriteIndex: 1 }),
    },
  };
}

/** Every form in WebGPU's own calls. */
async function rawForms(context: Context, { gpu }: Device, count: number, suffix: string): Promise<Timing[]> {
  const module = gpu.createShaderModule({ code: kernel("bench_count").expanded({}).text });
  const visibility = GPUShaderStage.COMPUTE;
  const layout = gpu.createBindGroupLayout({
    entries: [
      { binding: 0, visibility, buffer: { type: "storage" } },
      { binding: 1, visibility, buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 16 } },
    ],
  });
  const pipeline = await gpu.createComputePipelineAsync({
    layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main" },
  });
  const step = buffer(gpu, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  gpu.queue.writeBuffer(step, 0, new Float32Array([1, 0, 0, 0]));
  const counters = Array.from({ length: count }, () => buffer(gpu, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC));
  const groups = counters.map((counter) =>
    gpu.createBindGroup({
      layout,
      entries: [
        { binding: 0, resource: { buffer: counter } },
        { binding: 1, resource: { buffer: step, size: 16 } },
      ],
    }),
  );
  const timed = gpu.features.has("timestamp-query");
  const queries = timed ? gpu.createQuerySet({ type: "timestamp", count: 2 }) : undefined;
  const given: Given = { gpu, pipeline, groups, queries, count };
  const rows: Timing[] = [];
  // Each form counts on where the one before stopped: a dispatch that was lost or ran early shows in the sums.
  let [first, others] = [0, 0]; // what the counters must hold
  for (const [name, record] of forms) {
    const runs: Omit<Timing, "name" | "samples">[] = [];
    for (let round = 0; round <= context.rounds; round++) runs.push(await timeOnce(given, record)); // the first warms up
    const independent = name.startsWith("independent");
    first += runs.length * (independent ? 1 : count);
    others += independent ? runs.length : 0;
    for (const [which, want] of [
      [0, first],
      [count - 1, others],
    ] as const) {
      const got = new Float32Array(await readBack(gpu, counters[which]!, 4))[0]!;
      if (got !== want) throw new WrongResult(`${name}${suffix}: counter ${which} holds ${got}, not ${want}.`);
    }
    rows.push(middle(`${name}${suffix}`, runs.slice(1)));
  }
  for (const b of [...counters, step]) b.destroy();
  queries?.destroy();
  return rows;
}

/** Small: what is measured is never its bytes. */
const buffer = (gpu: GPUDevice, usage: number): GPUBuffer => gpu.createBuffer({ size: 256, usage });

/** One round: recorded, submitted, awaited, each by the clock. */
async function timeOnce(given: Given, record: Form[1]): Promise<Omit<Timing, "name" | "samples">> {
  const { gpu, queries, count } = given;
  await quiet(gpu.queue.onSubmittedWorkDone());
  const start = performance.now();
  const encoder = gpu.createCommandEncoder();
  record(encoder, given);
  const times = queries && resolved(gpu, encoder, queries);
  const commands = encoder.finish();
  const encoded = performance.now();
  gpu.queue.submit([commands]);
  const submitted = performance.now();
  await quiet(gpu.queue.onSubmittedWorkDone());
  const ms = performance.now() - start;
  const each = (milliseconds: number) => (1000 * milliseconds) / count;
  const nanoseconds = times && new BigInt64Array(await readBack(gpu, times, 16));
  times?.destroy();
  return {
    encodeUs: each(encoded - start),
    submitUs: each(submitted - encoded),
    gpuUs: nanoseconds && each(Number(nanoseconds[1]! - nanoseconds[0]!) / 1e6),
    ms,
  };
}

/** Appends the reading of both timestamps to the commands. */
function resolved(gpu: GPUDevice, encoder: GPUCommandEncoder, queries: GPUQuerySet): GPUBuffer {
  const times = buffer(gpu, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  encoder.resolveQuerySet(queries, 0, 2, times, 0);
  return times;
}

/** The first bytes of a buffer, once the GPU is done. */
async function readBack(gpu: GPUDevice, from: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
  const staging = buffer(gpu, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  const encoder = gpu.createCommandEncoder();
  encoder.copyBufferToBuffer(from, 0, staging, 0, bytes);
  gpu.queue.submit([encoder.finish()]);
  await quiet(staging.mapAsync(GPUMapMode.READ));
  const copy = staging.getMappedRange(0, bytes).slice(0);
  staging.destroy();
  return copy;
}

/** The engine's own call: names checked, parameters written, a submit every 64. */
async function engineForm(context: Context, dev: Device, count: number, suffix: string): Promise<Timing> {
  const y = zeros([4]);
  const runs: Omit<Timing, "name" | "samples">[] = [];
  for (let round = 0; round <= context.rounds; round++) {
    await dev.queue.idle();
    const start = performance.now();
    for (let i = 0; i < count; i++) kernel("bench_count").run({ y }, { step: 1 }, { workgroups: 1 });
    dev.queue.submit();
    const encodeUs = (1000 * (performance.now() - start)) / count;
    await dev.queue.idle();
    runs.push({ encodeUs, submitUs: 0, gpuUs: undefined, ms: performance.now() - start });
  }
  const [got, want] = [(await y.read())[0]!, runs.length * count];
  if (got !== want) throw new WrongResult(`the engine's call: it counted ${got}, not ${want}.`);
  return middle(`${ENGINE_CALL}${suffix}`, runs.slice(1));
}

/** Medians of each part. */
function middle(name: string, runs: readonly Omit<Timing, "name" | "samples">[]): Timing {
  const median = (of: (r: (typeof runs)[number]) => number | undefined) => {
    const values = runs.map(of).filter((v) => v !== undefined);
    return values.length ? quantile(values, 0.5) : undefined;
  };
  return {
    name,
    encodeUs: median((r) => r.encodeUs)!,
    submitUs: median((r) => r.submitUs)!,
    gpuUs: median((r) => r.gpuUs),
    ms: median((r) => r.ms)!,
    samples: runs.map((r) => r.ms),
  };
}
