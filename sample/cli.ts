// `uiface sample`: options become identities, identities become folders of images.

import { Command, Option } from "commander";
import { writeFolder } from "../data/folder.js";
import { openDevice } from "../engine/device.js";
import { UsageError } from "../engine/errors.js";
import { toFloat32 } from "../engine/io/host.js";
import { readNpy } from "../engine/io/npy.js";
import { unit } from "../evaluate/embed.js";
import { newContexts } from "./contexts.js";
import { type Contexts, generate } from "./generate.js";
import { type Nets, openNets } from "./nets.js";

interface SampleOptions {
  identities: number;
  images: number;
  contexts?: string;
  weights?: string;
  out: string;
  seed: number;
  batch: number;
  threshold: number;
  stepTh: number;
  guidance: number;
  maxCosine: number;
  form: "cheap" | "literal";
}

const number = (text: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new UsageError(`"${text}" is not a number.`);
  return value;
};

export function sampleCommand(): Command {
  return new Command("sample")
    .description("Generate images of new identities with the two-stage sampler, as <out>/<identity>/<k>.png.")
    .option("--identities <n>", "how many people", number, 8)
    .option("--images <n>", "images of each", number, 8)
    .option("--contexts <file.npy>", "identity embeddings (N, D) to use instead of new ones")
    .option("--weights <folder>", "folder with vqgan, recogniser and diffusion .safetensors; default: the shipped ones")
    .option("--out <folder>", "where the images go", "runs/sample")
    .option("--seed <n>", "of contexts and noise", number, 0)
    .option("--batch <n>", "images sampled at once", number, 16)
    .option("--threshold <d>", "d_t below which an image gets its identity early", number, 0.006)
    .option("--step-th <t>", "steps below are guided by the identity in any case", number, 500)
    .option("--guidance <w>", "e = (1 + w) e_cond - w e_uncond", number, 1)
    .option("--max-cosine <c>", "largest similarity of two new identities", number, 0.4)
    .addOption(
      new Option("--form <form>", "literal: as the official code computes it")
        .choices(["cheap", "literal"])
        .default("cheap"),
    )
    .addHelpText(
      "after",
      "\nExamples:\n  uiface sample --identities 100 --images 50 --out data/generated\n  uiface sample --contexts contexts.npy --images 16",
    )
    .action(sample);
}

async function sample(o: SampleOptions): Promise<void> {
  const device = await openDevice();
  const nets = openNets(o.weights);
  const contexts = o.contexts ? readContexts(o.contexts, o.identities) : await inventContexts(nets, o);
  const started = performance.now();
  const { set } = await generate(nets.unet, nets.vqgan, contexts, {
    perIdentity: o.images,
    seed: o.seed,
    batch: o.batch,
    threshold: o.threshold,
    stepTh: o.stepTh,
    guidance: o.guidance,
    form: o.form,
    onProgress: (done, total) => progress("sampling", done, total, started),
  });
  await writeFolder(o.out, set);
  device.close();
  console.log(o.out);
}

async function inventContexts(nets: Nets, o: SampleOptions): Promise<Contexts> {
  const started = performance.now();
  const { contexts } = await newContexts(nets.unet, nets.vqgan, nets.recogniser, {
    identities: o.identities,
    seed: o.seed,
    maxCosine: o.maxCosine,
    onProgress: (kept, wanted) => progress("identities", kept, wanted, started),
  });
  return contexts;
}

/** The first `identities` rows of an .npy file, each scaled to length 1 as the official sampler does. */
export function readContexts(path: string, identities: number): Contexts {
  const { shape, data } = readNpy(path);
  if (shape.length !== 2) throw new UsageError(`${path}: contexts are (N, D); this array is (${shape.join(", ")}).`);
  const dim = shape[1]!;
  const rows = toFloat32(data).subarray(0, identities * dim);
  return { rows: Float32Array.from(unit(rows, dim)), dim };
}

/** Done, rate and time left, on stderr. */
export function progress(what: string, done: number, total: number, started: number): void {
  const seconds = (performance.now() - started) / 1000;
  const left = done ? ((total - done) * seconds) / done : 0;
  const line = `${what.padEnd(12)} ${done} of ${total}   ${(done / Math.max(seconds, 1e-3)).toFixed(1)} a second   ${Math.ceil(left)} s left`;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}${done >= total ? "\n" : ""}`);
  else console.error(line);
}
