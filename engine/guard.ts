// Test mode, `openDevice({ poison: true })`: finds kernels that forget an element, and kernels that reach past their tensors.
//
//   - a block is full of NaN when it is handed out: an element that no kernel wrote is seen
//   - behind it lies a fence of huge numbers that bindings take in (shader.ts). What a kernel reads there spoils its result;
//     what it writes there is found by `verify`, in blocks that were given back since as well
//
// WebGPU bounds a kernel to its bindings, so without a fence a wrong bound would often change nothing on one adapter and
// something on the next. A kernel may write up to the next multiple of 64 bytes behind a tensor (add.wgsl, "One thread").

import type { Block } from "./pool.js";
import type { Queue } from "./queue.js";

/** Bytes of a fence: a multiple of 64, at least what a workgroup of an elementwise kernel covers (64 threads of 4 vec4's). */
const FENCE = 4096;
/** Fences differ, so that a sum or a copy of what lies behind the inputs is none of those behind the output. */
const KINDS = 64;
/** Fences of blocks given back that are kept until the next `verify`; past that the oldest are forgotten. */
const KEPT = 256;
const NAN = 0x7fc00000;
const NAN_BYTES = 64 * 1024;

/** The number in a fence: finite, because a NaN keeps its bits when something is added to it; above zero, to win every maximum. */
const fenceValue = (kind: number): number => Math.fround((1 + kind / KINDS) * 2 ** 100);

interface Fence {
  kind: number;
  /** Bytes from the block's start. */
  at: number;
}

export class Guard {
  /** Bytes that every buffer has behind its size class, and every binding behind its tensor. */
  readonly bytes = FENCE;
  /** Blocks that were taken since the last `verify` and not given back. */
  private readonly live = new Map<Block, Fence>();
  private readonly nan: GPUBuffer;
  private readonly fences: GPUBuffer;
  private readonly kept: GPUBuffer;
  /** Of the fences in `kept`. */
  private kinds: number[] = [];
  private taken = 0;

  constructor(
    gpu: GPUDevice,
    private readonly queue: Queue,
  ) {
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.nan = gpu.createBuffer({ size: NAN_BYTES, usage, mappedAtCreation: true });
    new Uint32Array(this.nan.getMappedRange()).fill(NAN);
    this.nan.unmap();
    this.fences = gpu.createBuffer({ size: KINDS * FENCE, usage, mappedAtCreation: true });
    const words = FENCE / 4;
    const values = new Float32Array(this.fences.getMappedRange());
    for (let kind = 0; kind < KINDS; kind++) values.fill(fenceValue(kind), kind * words, (kind + 1) * words);
    this.fences.unmap();
    this.kept = gpu.createBuffer({ size: KEPT * FENCE, usage });
  }

  /** A block is handed out for a tensor of `bytes`. */
  take(block: Block, bytes: number): void {
    const at = Math.ceil(bytes / 64) * 64;
    const kind = this.taken++ % KINDS;
    for (let from = 0; from < at; from += NAN_BYTES) {
      this.queue.copy(this.nan, 0, block.buffer, from, Math.min(NAN_BYTES, at - from));
    }
    this.queue.copy(this.fences, kind * FENCE, block.buffer, at, FENCE);
    this.live.set(block, { kind, at });
  }

  giveBack(block: Block): void {
    this.keep(block);
    this.live.delete(block);
  }

  /**
   * Looks at the fences of all blocks that were taken since the last call.
   *
   * @throws Error if a kernel wrote there
   */
  async verify(): Promise<void> {
    for (const block of this.live.keys()) this.keep(block);
    this.live.clear();
    const { kinds } = this;
    this.kinds = [];
    const count = Math.min(kinds.length, KEPT);
    const values = new Float32Array(await this.queue.read(this.kept, 0, count * FENCE));
    for (const [i, kind] of kinds.entries()) {
      if (i < kinds.length - count) continue;
      const first = ((i % KEPT) * FENCE) / 4;
      const want = fenceValue(kind);
      const at = values.subarray(first, first + FENCE / 4).findIndex((value) => value !== want);
      if (at < 0) continue;
      throw new Error(
        `A kernel wrote ${values[first + at]} behind a tensor, ${4 * at} bytes past the 64 that it may fill up.`,
      );
    }
  }

  private keep(block: Block): void {
    const fence = this.live.get(block);
    if (!fence) return;
    const { kind, at } = fence;
    const slot = (this.kinds.push(kind) - 1) % KEPT;
    this.queue.copy(block.buffer, at, this.kept, slot * FENCE, FENCE);
  }
}
