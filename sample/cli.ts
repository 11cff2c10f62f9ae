// `uiface sample`: options become identities, identities become folders of images.

import { readdirSync } from "node:fs";
import { Command, Option } from "commander";
import { writeFolder } from "../data/folder.js";
import { progress } from "../data/progress.js";
import { openDevice } from "../engine/device.js";
import { UsageError } from "../engine/errors.js";
import { makeFolder } from "../engine/io/atomic.js";
import { real, whole } from "../engine/options.js";
import { newContexts } from "./contexts.js";
import { readContexts } from "./contexts-file.js";
import { type Contexts, generate } from "./generate.js";
import { openNets, openSamplerNets, type SamplerNets } from "./nets.js";

interface SampleOptions {
  identities: number;
  images: number;
  contexts?: string;
  weights?: string;
  out: string;
  seed: number;
  batch: number;
  steps: number;
  threshold: number;
  stepTh: number;
  guidance: number;
  maxCosine: number;
  form: "cheap" | "literal";
  force: boolean;
}

export function sampleCommand(): Command {
  return new Command("sample")
    .description("Generate images of new identities with the two-stage sampler, as <out>/<identity>/<k>.png.")
    .addHelpText(
      "before",
      "Examples:\n  uiface sample --identities 100 --images 50 --out data/generated\n  uiface sample --contexts contexts.npy --images 16\n",
    )
    .option("--identities <n>", "how many people", whole(1), 8)
    .option("--images <n>", "images of each", whole(1), 8)
    .option("--contexts <file>", "identity embeddings to use instead of new ones: a matrix (N, D), or vectors by name")
    .option(
      "--weights <folder>",
      "folder with vqgan, recogniser and diffusion, .safetensors, .ckpt, .pth, .pt or .npz; default: the shipped ones",
    )
    .option("--out <folder>", "where the images go", "runs/sample")
    .option("--seed <n>", "of contexts and noise", whole(), 0)
    .option("--batch <n>", "images sampled at once", whole(1), 16)
    .option("--steps <n>", "of the sampler, noisy to clean", whole(1), 50)
    .option("--threshold <d>", "d_t below which an image gets its identity early", real(0), 0.006)
    .option("--step-th <t>", "steps below are guided by the identity in any case", whole(), 500)
    .option("--guidance <w>", "e = (1 + w) e_cond - w e_uncond", real(0), 1)
    .option("--max-cosine <c>", "largest similarity of two new identities", real(-1, 1), 0.4)
    .addOption(
      new Option("--form <form>", "literal: as the official code computes it")
        .choices(["cheap", "literal"])
        .default("cheap"),
    )
    .option("--force", "write into a folder that holds files already", false)
    .action(sample);
}

async function sample(o: SampleOptions): Promise<void> {
  makeFolder(o.out); // before the work whose result it takes
  const there = readdirSync(o.out).length;
  if (there && !o.force) {
    throw new UsageError(`${o.out} holds ${there} file${there > 1 ? "s or folders" : " or folder"} already: images of two runs would be one set.
Choose another --out, or use --force to write over those of the same names.`);
  }
  const device = await openDevice();
  const [nets, contexts] = o.contexts ? await given(o.contexts, o) : await invented(o);
  const { set } = await generate(nets, contexts, {
    perIdentity: o.images,
    seed: o.seed,
    batch: o.batch,
    ddimSteps: o.steps,
    threshold: o.threshold,
    stepTh: o.stepTh,
    guidance: o.guidance,
    form: o.form,
    onProgress: progress("sampling"),
  });
  await writeFolder(o.out, set);
  device.close();
  console.log(o.out);
}

/** Nets and contexts where a file has the contexts: no recogniser is needed. */
async function given(path: string, o: SampleOptions): Promise<[SamplerNets, Contexts]> {
  const nets = await openSamplerNets(o.weights);
  return [nets, await readContexts(path, o.identities, nets.unet.config.context_input_channels)];
}

/** Nets and contexts of new people. */
async function invented(o: SampleOptions): Promise<[SamplerNets, Contexts]> {
  const nets = await openNets(o.weights);
  const { contexts } = await newContexts(nets, {
    identities: o.identities,
    seed: o.seed,
    maxCosine: o.maxCosine,
    batch: o.batch,
    ddimSteps: o.steps,
    onProgress: progress("identities"),
  });
  return [nets, contexts];
}
