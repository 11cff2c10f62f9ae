// The one door to the GPU's queue: commands are appended to one open pass and submitted in batches.
//
// Contract     - commands run in the order of the calls, whatever batch they end up in
//              - parameters of a batch lie in one arena and are uploaded with one write before the batch is submitted
//              - write() submits what is recorded first, because writeBuffer overtakes recorded commands
//              - waiting is done by `quiet` alone: while a promise is pending Dawn's Node bindings spin the JavaScript thread,
//                which costs a software adapter one of its cores (measured 1.4x-1.8x; delete when the bindings block)

import type { Profiler } from "./profile.js";
import { recorder } from "./recorder.js";

/** Dispatches a batch holds before it is submitted, so that the adapter starts while JavaScript still records. */
const BATCH = 64;
const ARENA_BYTES = 64 * 1024;

export class Queue {
  /** Set while kernels are being timed: every dispatch then gets a pass of its own. */
  profiler: Profiler | undefined;
  /** Told of every buffer that a copy, a clear or an upload writes. */
  wrote: ((buffer: GPUBuffer) => void) | undefined;
  /** Counters since the device was opened. */
  dispatches = 0;
  submits = 0;

  private encoder: GPUCommandEncoder | undefined;
  private pass: GPUComputePassEncoder | undefined;
  private recorded = 0;
  private mark: Promise<void> | undefined;

  /** The arena of parameters: what the uniform binding of every bind group is. */
  readonly params: GPUBuffer;
  private readonly arenaBytes = new Uint8Array(ARENA_BYTES);
  /** The CPU side of the parameter arena; kernels write their Params struct through it at the offset of `reserve`. */
  readonly arenaView = new DataView(this.arenaBytes.buffer);
  private arenaUsed = 0;

  constructor(
    private readonly device: GPUDevice,
    /** Throws the device's sticky error, if there is one. */
    private readonly check: () => void,
  ) {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    this.params = device.createBuffer({ label: "params", size: ARENA_BYTES, usage });
  }

  /** Reserves `bytes` for one Params struct; returns its offset in the arena. */
  reserve(bytes: number): number {
    const align = this.device.limits.minUniformBufferOffsetAlignment;
    if (this.arenaUsed + bytes > ARENA_BYTES) this.submit();
    const offset = this.arenaUsed;
    this.arenaUsed = Math.ceil((offset + bytes) / align) * align;
    return offset;
  }

  /** Reserves a place in the arena for a Params struct given as its bytes. */
  put(bytes: Uint8Array): number {
    const offset = this.reserve(bytes.length);
    this.arenaBytes.set(bytes, offset);
    return offset;
  }

  /** A copy of what was written to the arena, before anything else is reserved. */
  paramsAt(offset: number, bytes: number): Uint8Array {
    return this.arenaBytes.slice(offset, offset + bytes);
  }

  dispatch(
    label: string,
    pipeline: GPUComputePipeline,
    group: GPUBindGroup,
    params: number | undefined,
    grid: Grid,
  ): void {
    this.check();
    const writes = this.profiler?.begin(label);
    if (writes) this.endPass();
    this.pass ??= this.commands().beginComputePass(writes ? { timestampWrites: writes } : {});
    this.pass.setPipeline(pipeline);
    this.pass.setBindGroup(0, group, params === undefined ? [] : [params]);
    this.pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    if (writes) this.endPass();
    this.dispatches++;
    if (++this.recorded >= BATCH) this.submit();
  }

  /** Copies on the GPU: 3-16 times faster than a kernel on software adapters. Offsets and size are multiples of 4. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void {
    if (bytes === 0) return;
    this.endPass();
    this.commands().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
    this.wrote?.(to);
    recorder?.command(from, to, () => this.copy(from, fromOffset, to, toOffset, bytes));
  }

  clear(buffer: GPUBuffer, offset: number, bytes: number): void {
    if (bytes === 0) return;
    this.endPass();
    this.commands().clearBuffer(buffer, offset, bytes);
    this.wrote?.(buffer);
    recorder?.command(undefined, buffer, () => this.clear(buffer, offset, bytes));
  }

  /** Uploads; the size is a multiple of 4. */
  write(buffer: GPUBuffer, offset: number, data: ArrayBufferView): void {
    recorder?.refuse(
      "an upload",
      "Give tensor() a function, tensor(() => values, shape), or pass the values as an argument.",
    );
    this.check();
    this.submit();
    this.wrote?.(buffer);
    this.device.queue.writeBuffer(buffer, offset, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /** Hands everything recorded to the GPU. */
  submit(): void {
    if (!this.encoder) return;
    this.endPass();
    this.profiler?.resolve(this.encoder);
    if (this.arenaUsed) this.device.queue.writeBuffer(this.params, 0, this.arenaBytes, 0, this.arenaUsed);
    this.device.queue.submit([this.encoder.finish()]);
    this.encoder = undefined;
    this.recorded = 0;
    this.arenaUsed = 0;
    this.submits++;
  }

  /** Reads back; waits for everything recorded so far. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    recorder?.refuse("what is read back", "Return the tensor and read it outside.");
    this.check();
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    const staging = this.device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    this.copy(buffer, offset, staging, 0, Math.ceil(bytes / 4) * 4);
    this.submit();
    try {
      await quiet(staging.mapAsync(GPUMapMode.READ));
    } catch (error) {
      this.check();
      throw error;
    }
    const copy = staging.getMappedRange().slice(0, bytes);
    staging.destroy();
    this.check();
    return copy;
  }

  /** Submits and waits until the work of the call before this one is done: at most one step runs ahead of the GPU. */
  async settle(): Promise<void> {
    this.submit();
    const previous = this.mark;
    this.mark = this.device.queue.onSubmittedWorkDone();
    if (previous) await quiet(previous);
    this.check();
  }

  /** Submits and waits until the GPU has nothing left to do. */
  async idle(): Promise<void> {
    this.submit();
    this.mark = undefined;
    await quiet(this.device.queue.onSubmittedWorkDone());
    this.check();
  }

  private commands(): GPUCommandEncoder {
    this.encoder ??= this.device.createCommandEncoder();
    return this.encoder;
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = undefined;
  }
}

/** Workgroups in x, y, z. */
export type Grid = readonly [number, number, number];

export const inNode = typeof process !== "undefined" && Boolean(process.versions?.node);
const sleeper = inNode ? new Int32Array(new SharedArrayBuffer(4)) : undefined;

/** Waits for a GPU promise with the JavaScript thread asleep (short naps first, then 1 ms). */
export async function quiet<T>(promise: Promise<T>): Promise<T> {
  if (!sleeper) return promise;
  let done = false;
  const settled = () => {
    done = true;
  };
  promise.then(settled, settled);
  for (let nap = 0; !done; nap++) {
    Atomics.wait(sleeper, 0, 0, nap < 4 ? 0.2 : 1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return promise;
}
