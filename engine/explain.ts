// Which block and which operation every kernel runs for: a trace of a piece of work, for people who want to see it alive.
//
// The names come from the JavaScript stack at the time of the dispatch (a method `forward` or `run` of a Module is a block, the
// function of engine/ops/ that was called from outside is the operation), so nothing has to be declared twice.

import type { Device } from "./device.js";
import { show } from "./tensor.js";

export interface Trace {
  kernel: string;
  /** Outermost first, e.g. "UNet", "Block down.2", "AttentionBlock down.2.attn". */
  blocks: string[];
  op: string;
  tensors: { name: string; shape: string }[];
  grid: readonly number[];
  /** Of all bound tensors, each once. */
  bytes: number;
  /** undefined: the adapter has no timestamps. */
  ms: number | undefined;
}

/**
 * Runs `work` with timestamps, where the adapter has them, and a look at the stack of every dispatch.
 *
 * @param around   functions that call operations and are none themselves
 */
export async function traced(
  dev: Device,
  work: () => Promise<unknown>,
  around: readonly string[] = [],
): Promise<Trace[]> {
  const outside = new Set([...internal, ...around]);
  const rows: Omit<Trace, "ms">[] = [];
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  dev.onDispatch = (kernel, tensors, grid) => {
    const { blocks, op } = fromStack(new Error().stack ?? "", outside);
    const bound = Object.entries(tensors);
    rows.push({
      kernel,
      blocks,
      op,
      grid,
      tensors: bound.map(([name, x]) => ({ name: x.name ? `${name} = ${x.name}` : name, shape: show(x) })),
      bytes: [...new Set(bound.map(([, x]) => x))].reduce((sum, x) => sum + 4 * x.size, 0),
    });
  };
  try {
    const run = async () => {
      await work();
    };
    if (dev.gpu.features.has("timestamp-query")) {
      const times = await dev.profile(run);
      return rows.map((row, i) => ({ ...row, ms: times[i]?.ms }));
    }
    await run();
    return rows.map((row) => ({ ...row, ms: undefined }));
  } finally {
    dev.onDispatch = undefined;
    Error.stackTraceLimit = limit;
  }
}

/** Blocks and operation out of a stack, whose first lines are the innermost calls. */
function fromStack(stack: string, outside: ReadonlySet<string>): { blocks: string[]; op: string } {
  const lines = stack.split("\n");
  const resumed = lines.findIndex((line) => /^\s+at async /.test(line)); // whoever waits there is no caller
  const called = lines.slice(0, resumed < 0 ? undefined : resumed);
  const calls = called.flatMap((line) => /^\s+at (?:new )?([\w$.]+) /.exec(line)?.[1] ?? []);
  const blocks: string[] = [];
  let op = "";
  for (const call of calls) {
    const [, owner, method] = /^(\w+)\.(\w+)$/.exec(call) ?? [];
    if (owner && /^[A-Z]/.test(owner) && (method === "forward" || method === "run") && owner !== "Kernel")
      blocks.unshift(owner);
    else if (!blocks.length && !owner && /^[a-z]\w+$/.test(call) && !outside.has(call)) op = call;
  }
  return { blocks: blocks.filter((b, i) => b !== blocks[i - 1]), op };
}

/** Functions that stand between an operation and its kernels, or around them, and explain nothing. */
const internal = new Set([
  "scope",
  "noGrad",
  "record",
  "traced",
  "compute",
  "toLayout",
  "gemm",
  "work",
  "run",
  "backward",
]);
