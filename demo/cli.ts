// `uiface demo`, the command behind `npm start`: the whole method in a few minutes, for whoever wants to see it before reading it.
//
// In --out afterwards: report.html (open it first) and its pictures as PNG, report.json with every number in it, faces/ with the
// generated people, diffusion/ and recogniser/ with the two training runs. demo.ts has the method, this file what is around it.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { encodePng } from "../data/folder.js";
import { imageOf, type PixelSet } from "../data/pixels.js";
import { describe } from "../engine/adapter.js";
import { openDevice } from "../engine/device.js";
import { makeFolder, writeAtomic } from "../engine/io/atomic.js";
import { whole } from "../engine/options.js";
import { enlarge, grid, type Picture } from "../evaluate/pictures.js";
import { lockFolder } from "../train/lock.js";
import { type DemoImages, fullDemo, runDemo, SIZE, smokeDemo } from "./demo.js";
import { explainStep } from "./explain.js";
import { type DemoResult, type Pictures, reportHtml } from "./report.js";

interface DemoOptions {
  out: string;
  seed: number;
  smoke?: boolean;
  explain?: boolean;
  json?: boolean;
}

export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "The whole method in miniature: train on, generate people, train a recogniser on them, verify it, write a report.",
    )
    .addHelpText("before", "Examples:\n  npm start\n  npm start -- --explain\n  npm start -- --smoke --out /tmp/demo\n")
    .option("--out <folder>", "where everything goes", "runs/demo")
    .option("--seed <n>", "of everything random", whole(), 0)
    .option("--smoke", "everything as small as possible: a test of the chain, not of its results")
    .option("--explain", "print one sampler step as a tree of blocks, operations and kernels, and end")
    .option("--json", "print the results as one JSON object")
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  const dev = await openDevice();
  console.error(`adapter  ${describe(dev.info)} (${dev.kind})`);
  if (options.explain) {
    console.log(await explainStep(dev));
    dev.close();
    return;
  }
  const { out, seed } = options;
  makeFolder(out);
  const release = lockFolder(out);
  clean(out);
  const { result, images } = await runDemo(dev, {
    ...(options.smoke ? smokeDemo : fullDemo),
    out,
    seed,
    smoke: options.smoke ?? false,
  });
  const page = await writeReport(out, result, images);
  release();
  dev.close();
  if (options.json) console.log(JSON.stringify(result));
  else console.log(summary(result, out, page));
}

/** A demo begins anew: what an earlier one trained in this folder would otherwise be taken for the end of this one. */
function clean(out: string): void {
  for (const part of ["diffusion", "recogniser", "faces"]) rmSync(join(out, part), { recursive: true, force: true });
}

/** Pictures, numbers and the page. Returns the page's path. */
async function writeReport(out: string, result: DemoResult, { generated, contexts, drawn, strip }: DemoImages) {
  const pictures: Pictures = {
    faces: await png(
      grid(
        all(generated).map((image) => enlarge(image, SIZE, 2)),
        2 * SIZE,
        result.perIdentity,
      ),
    ),
    contexts: await png(grid(all(contexts), SIZE, 6)),
    drawn: await png(grid(all(drawn).slice(0, 32), SIZE, 8)),
    steps: await png(grid([...strip.map((s) => s.image), ...strip.map((s) => s.look)], SIZE, strip.length)),
  };
  for (const [name, bytes] of Object.entries(pictures)) writeAtomic(join(out, `${name}.png`), bytes);
  writeAtomic(join(out, "report.json"), new TextEncoder().encode(`${JSON.stringify(result, null, 2)}\n`));
  const page = join(out, "report.html");
  writeAtomic(page, new TextEncoder().encode(await reportHtml(result, pictures)));
  return page;
}

/** The bytes of a PNG file. */
const png = ({ planes, width, height }: Picture): Promise<Buffer> => encodePng(planes, width, height);
const all = (set: PixelSet): Uint8Array[] => Array.from(set.labels.keys(), (i) => imageOf(set, i));

/** What the terminal shows at the end: the result in two sentences, and where to go on. */
function summary(r: DemoResult, out: string, page: string): string {
  const { accuracy: a } = r;
  const seconds = r.stages.reduce((sum, s) => sum + s.seconds, 0);
  return `
${r.identities * r.perIdentity} images of ${r.identities} people who do not exist, in ${(seconds / 60).toFixed(1)} minutes.
A recogniser trained on them alone: ${(100 * a.generated).toFixed(1)} % on ${a.pairs} pairs of unseen people (chance 50 %, the same net untrained ${(100 * a.untrained).toFixed(1)} %, trained on drawn people ${(100 * a.drawn).toFixed(1)} %).

report   ${page}
images   ${join(out, "faces")}
next     npm run -s uiface -- sample --identities 4 --images 8 --seed 1`;
}
