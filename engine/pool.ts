// GPU memory: buffers by size class, reused as soon as they are free, with counters that are exact.
//
// Invariants   - a block is either live (owned by a Storage, or held by recorded calls) or idle (in its class's list), never both
//              - liveBytes is the sum of the sizes of live blocks; peakBytes its maximum since the last resetPeak()
//              - of the idle blocks of a class the one with the smallest id is taken: a step that asks for the same sizes as
//                the one before gets the same buffers, and so finds its bind groups in the cache
//              - an idle block may still be read by recorded commands: a kernel may write it at once (the queue keeps
//                order), an upload may not (writeBuffer overtakes recorded commands, see queue.ts)

import { AdapterError } from "./errors.js";
import type { Guard } from "./guard.js";
import { recorder } from "./recorder.js";

/** One GPU buffer of the pool. `id` is unique in the process and names the buffer in the bind-group cache. */
export interface Block {
  readonly buffer: GPUBuffer;
  readonly id: number;
  readonly bytes: number;
  /** Whether a Storage has it. */
  owned: boolean;
  /** Recorded calls that write there (replay.ts): nobody else may have it. */
  holders: number;
}

let nextId = 1;

/**
 * Rounds up to the pool's classes: multiples of 256 bytes to 4 KiB, then eight steps an octave (at most 12.5 % waste), and 64
 * above 1 MiB (1.6 %): a net's weights and moments are a few large blocks.
 */
export function sizeClass(bytes: number): number {
  if (bytes <= 4096) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - (bytes > 2 ** 20 ? 6 : 3));
  return Math.ceil(bytes / step) * step;
}

export class Pool {
  liveBytes = 0;
  liveBlocks = 0;
  peakBytes = 0;
  idleBytes = 0;
  /** The most that was allocated, live and idle, since the device was opened. */
  peakHeldBytes = 0;
  /** By size class, smallest id last. */
  private readonly idle = new Map<number, Block[]>();
  private readonly blocks = new WeakMap<GPUBuffer, Block>();

  /**
   * @param onDestroy   called before idle buffers are destroyed: recorded commands must be submitted by then
   * @param guard       in test mode: poisons blocks and watches what lies behind them
   */
  constructor(
    private readonly device: GPUDevice,
    private readonly onDestroy: () => void,
    readonly guard?: Guard,
  ) {}

  /** A block of at least `bytes`; its contents are undefined. */
  acquire(bytes: number): Block {
    const size = sizeClass(bytes);
    const recycled = this.idle.get(size)?.pop();
    if (recycled) this.idleBytes -= size;
    const block = recycled ?? this.create(size, bytes);
    block.owned = true;
    this.guard?.take(block, bytes);
    this.countLive(size);
    return block;
  }

  release(block: Block): void {
    this.guard?.giveBack(block);
    block.owned = false;
    if (!block.holders) this.lay(block);
  }

  /** Keeps a block from being handed out, whoever gives it back, until `letGo`. */
  hold(block: Block): void {
    if (!block.owned && !block.holders) {
      const list = this.idle.get(block.bytes)!;
      list.splice(list.indexOf(block), 1);
      this.idleBytes -= block.bytes;
      this.countLive(block.bytes);
    }
    block.holders++;
  }

  letGo(block: Block): void {
    block.holders--;
    if (!block.owned && !block.holders) this.lay(block);
  }

  /** The block of a buffer; undefined for one that is not the pool's. */
  blockOf(buffer: GPUBuffer): Block | undefined {
    return this.blocks.get(buffer);
  }

  private countLive(bytes: number): void {
    this.liveBytes += bytes;
    this.liveBlocks++;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    this.peakHeldBytes = Math.max(this.peakHeldBytes, this.liveBytes + this.idleBytes);
  }

  /** From live to idle. */
  private lay(block: Block): void {
    this.liveBytes -= block.bytes;
    this.liveBlocks--;
    this.idleBytes += block.bytes;
    const list = this.idle.get(block.bytes) ?? [];
    this.idle.set(block.bytes, list);
    let at = list.length;
    while (at > 0 && list[at - 1]!.id < block.id) at--;
    list.splice(at, 0, block);
  }

  resetPeak(): void {
    this.peakBytes = this.liveBytes;
  }

  /** Destroys every idle buffer; none while a call is recorded that may have used it. */
  trim(): void {
    if (recorder) return;
    this.onDestroy();
    for (const list of this.idle.values()) for (const block of list) block.buffer.destroy();
    this.idle.clear();
    this.idleBytes = 0;
  }

  private create(size: number, bytes: number): Block {
    const limit = this.device.limits.maxBufferSize;
    if (size > limit) {
      throw new AdapterError(`A tensor of ${bytes.toLocaleString("en")} bytes is larger than this adapter's largest buffer
  maxBufferSize  ${limit.toLocaleString("en")}
Use a smaller batch.`);
    }
    // Idle buffers of other sizes are given back before they outgrow what is in use: one odd batch must not stay for ever.
    if (this.idleBytes > Math.max(256 * 2 ** 20, this.liveBytes)) this.trim();
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.device.createBuffer({ size: size + (this.guard?.bytes ?? 0), usage });
    const block = { buffer, id: nextId++, bytes: size, owned: false, holders: 0 };
    this.blocks.set(buffer, block);
    return block;
  }
}
