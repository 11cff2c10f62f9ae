// The adapter's own ceilings, measured beside what is compared with them: a shared machine is slower by the minute.

import { device } from "../engine/device.js";
import { kernel, perElement } from "../engine/shader.js";
import { empty, type Tensor, tensor } from "../engine/tensor.js";
import { type Case, values } from "./case.js";

/** 256 workgroups: enough for every core, also where a few are slow. */
const THREADS = 16_384;
/** What one turn of the kernel's loop does. */
const STEPS = { chains: 8, depth: 16 }; // VECS and DEPTH of bench_fma.wgsl
/** Elements of the copy kernel: 32 MiB a tensor, more than the caches of the machines at hand. */
const COPY = 8 * 2 ** 20;

/** Multiply-adds in registers. On software adapters 1.1 GFLOP a run, some 10 to 20 ms; on GPUs 64 times that. */
export function fmaCeiling(): Case {
  const turns = device().family === "broadcast" ? 64 : 4096;
  const y = empty([THREADS, 4]);
  const [a, b] = [0.5, 1];
  return {
    name: "ceiling: FMA in registers",
    work: { flops: 2 * 4 * THREADS * STEPS.chains * STEPS.depth * turns },
    allowed: 1e-6,
    run: () => {
      kernel("bench_fma").run({ y }, { turns, a, b }, { workgroups: THREADS / 64 });
      return y;
    },
    check: async () => [[(await y.read())[5]!, STEPS.chains * (b / (1 - a))]], // every chain has converged
  };
}

/** The elementwise kernel that does nothing. */
export function copyCeiling(): Case {
  const v = values(COPY, 1);
  const [x, y] = [tensor(v, [COPY]), empty([COPY])];
  return {
    name: "ceiling: copy kernel 8M",
    work: { bytes: 8 * COPY },
    allowed: 0,
    run: () => {
      kernel("bench_copy").run({ x, y }, { n: COPY }, perElement(COPY));
      return y;
    },
    check: async () => {
      const got = await y.read();
      return [0, 1, COPY / 2 + 3, COPY - 1].map((i) => [got[i]!, v[i]!]);
    },
  };
}

/** GB/s of copyBufferToBuffer, by the clock of the host: a copy has no pass to put timestamps on. */
export async function bufferCopy(): Promise<number> {
  const { queue } = device();
  const [x, y] = [empty([COPY]), empty([COPY])];
  const copy = (from: Tensor, to: Tensor) =>
    queue.copy(from.storage.block.buffer, 0, to.storage.block.buffer, 0, 4 * COPY);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    await queue.idle();
    const start = performance.now();
    for (let i = 0; i < 8; i++) copy(i % 2 ? y : x, i % 2 ? x : y);
    await queue.idle();
    times.push((performance.now() - start) / 8);
  }
  x.dispose();
  y.dispose();
  return (8 * COPY) / 1e6 / Math.min(...times);
}
