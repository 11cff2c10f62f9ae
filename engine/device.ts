// The device: which adapter, what it can do, its queue and pool, and what went wrong with it.

import type { AdapterKind, Attempt, FindOptions } from "./adapter.js";
import { AdapterError, TrainingStopped, type UifaceError, UsageError } from "./errors.js";
import { Guard } from "./guard.js";
import { Kept } from "./kept.js";
import { Pool } from "./pool.js";
import { Profiler } from "./profile.js";
import { inNode, Queue } from "./queue.js";
import type { KernelRun } from "./shader.js";
import type { Tuning } from "./tuning/settings.js";
import { type ChosenTable, chosenTable, fixedSubgroup, type Table } from "./tuning/table.js";

/** Kernel family: `broadcast` for software adapters (registers and subgroup broadcasts), `tiled` for GPUs (workgroup memory). */
export type Family = "broadcast" | "tiled";

export interface DeviceOptions extends FindOptions {
  /** Test mode: buffers are full of NaN and have a fence behind them, so that a kernel's wrong bounds are seen (guard.ts). */
  poison?: boolean | undefined;
  /** Most bytes of a tensor that a kernel binds, if less than the adapter's own limit: 2 ** 27 is what every adapter has. */
  bindingBytes?: number | undefined;
  /** "exact": convolutions as they stand; "fast": Winograd's form where it pays. Default: UIFACE_PRECISION, else "fast". */
  precision?: Precision | undefined;
  /** Settings of kernels: a table, or a file of one (Node). Default: UIFACE_TUNING, else the built-in table of the adapter. */
  tuning?: Table | string | undefined;
}

/** Whether an operation may take a form that rounds more than its sum as it stands (ops/convolution.ts). */
export type Precision = "exact" | "fast";

const wantedFeatures: GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];
const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
] as const;

export class Device {
  readonly queue: Queue;
  readonly pool: Pool;
  /** What was made of resting weights. */
  readonly kept: Kept;
  readonly limits: GPUSupportedLimits;
  /** Lanes of a subgroup if the adapter fixes that number, else undefined. */
  readonly subgroupSize: number | undefined;
  /** Which kernels heavy operations use; tests set it to run the other family too. */
  family: Family;
  /** Which forms convolutions may take. */
  readonly precision: Precision;
  /** The settings of kernels, and the name of the table that they come from; tests and the tuner set others. */
  tuning: Tuning;
  readonly tuningName: string;
  /** Workgroups in x before a kernel's grid folds into y: the adapter's limit; tests set less to run the fold. */
  foldAfter: number;
  /** How often a tensor moved to other memory (Tensor.rebase). */
  moves = 0;
  /** Sees every run of a kernel, once it is recorded: for DEBUG=nan (nan.ts) and for traces. */
  inspect: ((run: KernelRun) => void) | undefined;
  /** With DEBUG=nan, throws if any kernel so far made a value that is not finite. */
  reportNonfinite: (() => Promise<void>) | undefined;

  private failure: UifaceError | undefined;
  /** Compilers' messages under way, and the first error that waits for them. */
  private awaited = 0;
  private unexplained: UifaceError | undefined;
  private closed = false;

  constructor(
    readonly gpu: GPUDevice,
    readonly info: GPUAdapterInfo,
    readonly kind: AdapterKind | "browser",
    readonly attempts: Attempt[],
    /** What `create()` of the `webgpu` package returned: collected while the device lives, it takes the process down. */
    readonly instance: GPU | undefined,
    options: DeviceOptions,
    table: ChosenTable,
  ) {
    this.limits = options.bindingBytes ? lowered(gpu.limits, options.bindingBytes) : gpu.limits;
    this.precision = options.precision ?? "fast";
    this.tuning = table.tuning;
    this.tuningName = table.name;
    this.foldAfter = gpu.limits.maxComputeWorkgroupsPerDimension;
    this.subgroupSize = fixedSubgroup(gpu.features, info);
    const software = kind === "lavapipe" || kind === "swiftshader";
    this.family = software && (this.subgroupSize === 4 || this.subgroupSize === 8) ? "broadcast" : "tiled";

    this.queue = new Queue(gpu, () => this.check());
    this.queue.wrote = (buffer) => this.kept.changed(buffer);
    this.pool = new Pool(gpu, () => this.queue.submit(), options.poison ? new Guard(gpu, this.queue) : undefined);
    this.kept = new Kept(this.pool);

    gpu.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      const failure = new AdapterError(`WebGPU: ${error.message}`);
      if (this.awaited) this.unexplained ??= failure;
      else this.fail(failure);
    });
    gpu.lost.then((lost) => {
      if (this.closed || lost.reason === "destroyed") return;
      this.fail(
        new TrainingStopped(`The GPU was lost: ${lost.message || lost.reason}. Every tensor is gone; nothing on disk is damaged.
Run the same command again: it goes on from the last save. If it happens twice, use a smaller batch.`),
      );
    });
  }

  /** Remembers the first thing that went wrong; every later call throws it. */
  fail(error: UifaceError): void {
    this.failure ??= error;
  }

  /** WebGPU's own errors, which name consequences, wait for a compiler's message, which may name their cause. */
  async explain(cause: Promise<UifaceError | undefined>): Promise<void> {
    this.awaited++;
    const error = await cause.catch(() => undefined); // rejected when the device is gone: then nothing needs a cause
    this.awaited--;
    if (error) this.fail(error);
    if (this.unexplained && !this.awaited) this.fail(this.unexplained);
  }

  /** Throws what went wrong with the device, if anything did. */
  check(): void {
    if (this.failure) throw this.failure;
    if (this.closed) throw new AdapterError("The device is closed: openDevice() again.");
  }

  /** Runs `work` with GPU timestamps on and returns every dispatch in order. One pass a dispatch: slower than a normal run. */
  async profile(work: () => void | Promise<void>): Promise<{ kernel: string; ms: number }[]> {
    if (!this.gpu.features.has("timestamp-query"))
      throw new AdapterError("This adapter has no timestamp-query feature.");
    await this.queue.idle();
    const profiler = new Profiler(this.gpu);
    this.queue.profiler = profiler;
    try {
      await work();
      await this.queue.idle();
      return await profiler.timeline();
    } finally {
      this.queue.profiler = undefined;
      profiler.destroy();
    }
  }

  /** Frees the GPU. The process then ends by itself. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.gpu.destroy();
    if (current === this) current = undefined;
  }
}

let current: Device | undefined;
/** Node ends without waiting where an error is not caught: with work under way one process in fifteen then died of signal 11. */
if (inNode) process.on("exit", () => current?.close());

/** The open device; throws if there is none. */
export function device(): Device {
  if (!current) throw new AdapterError("No device is open: call `await openDevice()` first.");
  return current;
}

/** Opens a device and makes it the current one. In Node: a GPU, else lavapipe, else the embedded SwiftShader. */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const precision = options.precision ?? precisionOf(fromEnvironment("UIFACE_PRECISION"));
  const found = await findInNodeOrBrowser(options);
  const { adapter } = found;
  const table = await chosenTable(options.tuning ?? fromEnvironment("UIFACE_TUNING"), found.kind, adapter);
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name] as number]));
  const requiredFeatures = wantedFeatures.filter((feature) => adapter.features.has(feature));
  const gpu = await adapter.requestDevice({ requiredFeatures, requiredLimits });
  current = new Device(gpu, adapter.info, found.kind, found.attempts, found.gpu, { ...options, precision }, table);
  if (typeof process !== "undefined" && process.env?.DEBUG === "nan") {
    (await import("./nan.js")).watch(current);
  }
  return current;
}

async function findInNodeOrBrowser(options: DeviceOptions) {
  if (inNode) return (await import("./adapter.js")).findAdapter(options);
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new AdapterError("This browser has no WebGPU adapter. Try a current Chrome, Edge, Firefox or Safari.");
  return { gpu: undefined, adapter, kind: "browser" as const, attempts: [] };
}

const fromEnvironment = (name: string): string | undefined =>
  typeof process === "undefined" ? undefined : process.env?.[name];

/** The value of UIFACE_PRECISION, checked. */
function precisionOf(text: string | undefined): Precision {
  if (!text) return "fast";
  if (text === "exact" || text === "fast") return text;
  throw new UsageError(`UIFACE_PRECISION is "${text}", but can only be exact or fast.`);
}

/** WebGPU lets nobody ask for less than 128 MiB, so the engine keeps a lower limit by itself. */
const lowered = (limits: GPUSupportedLimits, bytes: number): GPUSupportedLimits =>
  new Proxy(limits, {
    get: (own, name) => {
      const value: unknown = Reflect.get(own, name, own);
      return name === "maxStorageBufferBindingSize" ? Math.min(Number(value), bytes) : value;
    },
  });
