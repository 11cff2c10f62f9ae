// `npm start -- --explain`: one step of the two-stage sampler as a tree of blocks, operations and kernels.
//
// Blocks are the modules of the net, operations what the engine calls them, kernels the .wgsl files with their grids. Each kernel
// shows shapes, workgroups, bytes it touches at least once, and its time on this adapter.

import type { Device } from "../engine/device.js";
import type { Trace } from "../engine/explain.js";
import { traced } from "../engine/explain.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { tensor } from "../engine/tensor.js";
import { openNets } from "../sample/nets.js";
import { ddimJumps, linear } from "../sample/schedule.js";
import { twoStage } from "../sample/two-stage.js";

/** Runs one stage-2 step of two images and returns the tree as text. */
export async function explainStep(dev: Device): Promise<string> {
  const { unet } = openNets();
  const B = 2;
  const dim = unet.config.context_input_channels;
  const jump = ddimJumps(linear().alphaBars, 50)
    .filter((j) => j.t < 500)
    .slice(0, 1);
  const step = () =>
    scope(async () => {
      const x = tensor(random(0, "explain").normals(B * 3 * 256), [B, 3, 16, 16]);
      const context = tensor(random(0, "context").normals(B * dim), [B, dim]);
      await twoStage(unet, x, context, jump);
    });
  await step(); // compiles
  return render(await traced(dev, step, ["cheapSecond", "walk", "twoStage", "step"]));
}

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
