// `npm start -- --explain`: one step of the two-stage sampler as a tree of blocks, operations and kernels.
//
// Blocks are the modules of the net, operations what the engine calls them, kernels the .wgsl files with their grids. Each kernel
// shows shapes, workgroups, bytes it touches at least once, and its time on this adapter. Blocks and operations are read off the
// JavaScript stack of each call (a method `forward` or `run` of a Module is a block, the function of engine/ops/ that was called
// from outside is the operation), so nothing has to be declared twice.

import type { Device } from "../engine/device.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { show, tensor } from "../engine/tensor.js";
import { linear } from "../models/schedule.js";
import { ddimJumps } from "../sample/ddim.js";
import { openNets } from "../sample/nets.js";
import { twoStage } from "../sample/two-stage.js";

interface Trace {
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

/** Two images, so four rows of the net: both with the empty context, then both with their identities. */
const IMAGES = 2;

/** Runs one stage-2 step and returns the tree as text, below a line that says what it is. */
export async function explainStep(dev: Device): Promise<string> {
  const { unet, latent } = await openNets();
  const [C, h, w] = latent;
  const dim = unet.config.context_input_channels;
  const jump = ddimJumps(linear().alphaBars, 50).find((j) => j.t < 500)!;
  const step = () =>
    scope(async () => {
      const x = tensor(random(0, "explain").normals(IMAGES * C * h * w), [IMAGES, C, h, w]);
      const context = tensor(random(0, "context").normals(IMAGES * dim), [IMAGES, dim]);
      await twoStage(unet, x, context, [jump]);
    });
  await step(); // compiles
  const what = `One step of stage 2, t = ${jump.t}: ${IMAGES} images, each with the empty context and with an identity.`;
  return `${what}\n\n${render(await traced(dev, step))}`;
}

/** The tree as text: a line for each block, operation and kernel, and nothing that the line above has said already. */
function render(rows: Trace[]): string {
  const total = rows.some((r) => r.ms === undefined) ? undefined : rows.reduce((sum, r) => sum + r.ms!, 0);
  const out: string[] = [];
  let open: string[] = [];
  for (const row of rows) {
    const path = [...row.blocks, row.op];
    let shared = 0;
    while (shared < path.length && path[shared] === open[shared]) shared++;
    for (let depth = shared; depth < path.length; depth++) out.push(`${"  ".repeat(depth)}${path[depth]}`);
    open = path;
    const shapes = row.tensors.map((t) => `${t.name} ${t.shape}`).join("  ");
    const facts = `${row.grid.join(" x ")} workgroups  ${(row.bytes / 1024).toFixed(0)} KiB  ${row.ms === undefined ? "not timed" : `${(1000 * row.ms).toFixed(0)} us`}`;
    out.push(`${"  ".repeat(path.length)}${row.kernel}.wgsl  ${shapes}  ${facts}`);
  }
  return `${out.join("\n")}\n\n${rows.length} kernels, ${total === undefined ? "and no timestamps on this adapter" : `${total.toFixed(2)} ms on the adapter`}.`;
}

/** Runs `work` with timestamps, where the adapter has them, and a look at the stack of every call of a kernel. */
async function traced(dev: Device, work: () => Promise<unknown>): Promise<Trace[]> {
  const rows: Omit<Trace, "ms">[] = [];
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  const before = dev.inspect;
  dev.inspect = ({ kernel, tensors, grid, constants }) => {
    const { blocks, op } = fromStack(new Error().stack ?? "");
    const off = Object.values(constants).includes(false);
    const every = Object.values(tensors);
    // a tensor that comes again where something is switched off only fills the place of what is not there: a bias
    const bound = Object.entries(tensors).filter(([, x], i) => !off || every.indexOf(x) === i);
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
    dev.inspect = before;
    Error.stackTraceLimit = limit;
  }
}

/** Blocks and operation out of a stack, whose first lines are the innermost calls. */
function fromStack(stack: string): { blocks: string[]; op: string } {
  const lines = stack.split("\n");
  const resumed = lines.findIndex((line) => /^\s+at async /.test(line)); // whoever waits there is no caller
  const called = lines.slice(0, resumed < 0 ? undefined : resumed);
  const calls = called.flatMap((line) => /^\s+at (?:new )?([\w$.]+) /.exec(line)?.[1] ?? []);
  const blocks: string[] = [];
  let op = "";
  for (const call of calls) {
    const [, owner, method] = /^(\w+?)\d*\.(\w+)$/.exec(call) ?? []; // the bundle numbers classes of one name: Block2
    if (
      owner &&
      /^[A-Z]/.test(owner) &&
      (method === "forward" || method === "run") &&
      !/^(?:Kernel|Replay)$/.test(owner)
    )
      blocks.unshift(owner);
    else if (!blocks.length && !owner && /^[a-z]\w+$/.test(call) && !around.has(call)) op = call;
  }
  return { blocks: blocks.filter((b, i) => b !== blocks[i - 1]), op };
}

/** Functions that stand between an operation and its kernels, or around operations, and explain nothing. */
const around = new Set(
  "scope noGrad pauseGrad after record traced compute toLayout gemm work run backward cheapSecond walk twoStage step".split(
    " ",
  ),
);
