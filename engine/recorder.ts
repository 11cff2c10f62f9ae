// What a call did, in order, so that it can be done again without the call: replay.ts makes these and plays them.
//
// Contract     - one recorder at a time: the queue, the kernels, the tape and random streams tell it what they do
//              - it never repeats what the next call would do otherwise: what it cannot know is refused, with the way out

import { UifaceError } from "./errors.js";
import type { Block, Pool } from "./pool.js";
import type { Tensor } from "./tensor.js";

/** The one that runs, if any. */
export let recorder: Recorder | undefined;

/** Whether a leaf has a gradient, and how the next backward treats it: the call did other things if these were others. */
interface Leaf {
  grad: Tensor | undefined;
  isStale: boolean;
}

export class Recorder {
  readonly commands: (() => void)[] = [];
  /** All memory that they touch. */
  readonly blocks = new Set<Block>();
  /** Of these what kernels write. */
  readonly written = new Set<Block>();
  /** Leaves that gradients came to, as they were before. */
  readonly leaves = new Map<Tensor, Leaf>();
  /** Random streams that are arguments, and their copies. */
  private readonly streams: Set<object>;
  /** Values that commands make anew before kernels take them. */
  private readonly fresh = new Set<unknown>();

  constructor(
    private readonly pool: Pool,
    streams: readonly object[],
  ) {
    this.streams = new Set(streams);
  }

  /** Runs `work` and records what it does. */
  watch<T>(work: () => T): T {
    recorder = this;
    try {
      return work();
    } finally {
      recorder = undefined;
    }
  }

  /** A command on these buffers. Those that are not the pool's belong to guard.ts, which looks after its own. */
  command(from: GPUBuffer | undefined, to: GPUBuffer, run: () => void): void {
    const [source, target] = [from && this.pool.blockOf(from), this.pool.blockOf(to)];
    if (!target) return;
    if (source) this.blocks.add(source);
    this.blocks.add(target);
    this.commands.push(run);
  }

  /** A kernel's binding. */
  uses(block: Block, writes: boolean): void {
    this.blocks.add(block);
    if (writes) this.written.add(block);
  }

  leaf(leaf: Tensor): void {
    if (!this.leaves.has(leaf)) this.leaves.set(leaf, { grad: leaf.grad, isStale: leaf.gradIsStale });
  }

  /** `value` was drawn from a stream for a kernel; `again` draws the next one into it. */
  drawn(stream: object, value: object, again: () => void): void {
    if (!this.streams.has(stream))
      this.refuse("a key of a random stream that is no argument", "Pass the stream to run().");
    this.fresh.add(value);
    this.commands.push(again);
  }

  /** A stream was copied; `again` copies it as it is then. */
  copied(stream: object, copy: object, again: () => void): void {
    if (!this.streams.has(stream)) return; // refused if it is ever drawn from
    this.streams.add(copy);
    this.commands.push(again);
  }

  /** Whether one of a kernel's parameters is made anew. */
  isFresh(params: Record<string, unknown>): boolean {
    for (const name in params) if (this.fresh.has(params[name])) return true;
    return false;
  }

  refuse(what: string, advice: string): never {
    throw new UifaceError(`replay: ${what} would be that of the first call in every later one.\n${advice}`);
  }
}

/** Runs `work` on the host: now, and in a call that is recorded at this place of every replay. */
export function everyTime(work: () => void): void {
  const outer = recorder;
  recorder = undefined; // what it does is not repeated by itself
  try {
    work();
  } finally {
    recorder = outer;
  }
  outer?.commands.push(work);
}
