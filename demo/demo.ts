// The whole method in miniature, as `npm start` runs it: from the shipped weights to a recogniser that has seen only generated people.
//
//   draw        people for training, and others whom no net has seen
//   diffusion   the latent diffusion model trains on, from the shipped weights
//   contexts    new identities: unconditional samples that differ enough
//   sample      the two-stage sampler makes images of each
//   recogniser  a small net learns from the generated images alone
//   verify      ten-fold, on pairs of the unseen people; beside it a recogniser that was trained on drawn people

import { join } from "node:path";
import { writeFolder } from "../data/folder.js";
import { openImages } from "../data/open.js";
import { type PixelSet, toBytes } from "../data/pixels.js";
import { progress } from "../data/progress.js";
import { rowOf, takeRows } from "../data/rows.js";
import { describe } from "../engine/adapter.js";
import type { Device } from "../engine/device.js";
import { openSafetensors } from "../engine/io/safetensors.js";
import { add, mul } from "../engine/ops/binary.js";
import { gatherRows } from "../engine/ops/gather_rows.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";
import { tensor } from "../engine/tensor.js";
import { embed } from "../evaluate/embed.js";
import { makePairs, type Pairs } from "../evaluate/pairs.js";
import { heat } from "../evaluate/pictures.js";
import { type Verification, verify } from "../evaluate/verification.js";
import { type Backbone, backbones } from "../models/iresnet.js";
import { linear } from "../models/schedule.js";
import { newContexts } from "../sample/contexts.js";
import { ddimJumps } from "../sample/ddim.js";
import { type Contexts, decoded, type Generated, generate } from "../sample/generate.js";
import { type Nets, openNets, shippedWeights } from "../sample/nets.js";
import type { TwoStageStep } from "../sample/two-stage.js";
import { diffusionDefaults, trainDiffusion } from "../train/diffusion.js";
import { readMetrics } from "../train/metrics.js";
import { recogniserDefaults, trainRecogniser } from "../train/recogniser.js";
import type { DemoResult } from "./report.js";

export interface DemoSettings {
  out: string;
  seed: number;
  smoke: boolean;
  /** Drawn people to train the diffusion model on with, and those that verify. */
  train: string;
  unseen: string;
  /** Updates of the diffusion model on top of the shipped weights. */
  diffusionSteps: number;
  /** New people, and images of each. */
  identities: number;
  perIdentity: number;
  /** Steps of the sampler from noise to image. */
  ddimSteps: number;
  /** Updates of the recogniser that learns from the generated images. */
  recogniserSteps: number;
  /** Of drawn people, half of them of one person each, for verification. */
  pairs: number;
  /** The two numbers of the two-stage sampler (docs/sampler.md): d_t below which an image gets its identity, t from which all have. */
  threshold: number;
  stepTh: number;
}

/** A few minutes on two cores in software; half of the paper's 50 sampling steps. */
export const fullDemo = {
  train: "drawn:24x4",
  unseen: "drawn:16x8+100000",
  diffusionSteps: 30,
  identities: 16,
  perIdentity: 8,
  ddimSteps: 25,
  recogniserSteps: 60,
  pairs: 800,
  threshold: 0.03, // the paper's 0.006 is for its own net: the maps of this one move more
  stepTh: 500,
};

/** Every stage, as small as it can be and still be the real thing. */
export const smokeDemo: typeof fullDemo = {
  ...fullDemo,
  train: "drawn:4x2",
  unseen: "drawn:4x3+100000",
  diffusionSteps: 3,
  identities: 2,
  perIdentity: 2,
  ddimSteps: 5,
  recogniserSteps: 4,
  pairs: 20,
};

/** What the demo leaves for the report's pictures. */
export interface DemoImages {
  generated: PixelSet;
  contexts: PixelSet;
  drawn: PixelSet;
  /** The clean image the net expects, and where it looks, at some steps of the first image. */
  strip: { t: number; image: Uint8Array; look: Uint8Array }[];
}

/** Pixels a side: what the shipped nets take. */
export const SIZE = 64;
/** Steps shown in the strip, as parts of the walk. */
const SHOWN = [0, 0.1, 0.2, 0.32, 0.44, 0.56, 0.7, 0.85, 0.999];

/** All stages in order, each with its time on stderr and in the result. Writes the training runs and the generated images to s.out. */
export async function runDemo(dev: Device, s: DemoSettings): Promise<{ result: DemoResult; images: DemoImages }> {
  const stages: DemoResult["stages"] = [];
  const stage = async <T>(name: string, note: string, work: () => Promise<T>): Promise<T> => {
    console.error(`\n${name}: ${note}`);
    const started = performance.now();
    const value = await work();
    await dev.queue.idle();
    stages.push({ name, note, seconds: (performance.now() - started) / 1000 });
    return value;
  };

  const drawn = await stage("draw", `${s.train} to train with, ${s.unseen} to verify on`, () => drawBoth(s));
  await stage("diffusion", `${s.diffusionSteps} steps on top of the shipped weights`, () => trainOn(s, drawn.train));
  const nets = await openNets();
  nets.unet.load(averaged(s));
  const made = await stage("contexts", `${s.identities} new identities`, () => contextsOf(nets, s));
  const sampled = await stage("sample", `${s.perIdentity} images of each, two stages, ${s.ddimSteps} steps`, () =>
    sample(nets, made.contexts, s),
  );
  await writeFolder(join(s.out, "faces"), sampled.generated.set);
  const recogniser = await stage(
    "recogniser",
    `${s.recogniserSteps} steps on ${sampled.generated.set.labels.length} generated images`,
    () => learn(s, sampled.generated.set),
  );
  const judged = await stage("verify", `${s.pairs} pairs of people whom no net has seen`, () =>
    judge(s, drawn.unseen, recogniser, nets.recogniser),
  );
  const cosine = await stage("consistency", "cosines of the images to their contexts", () =>
    cosines(nets.recogniser, made.contexts, sampled.generated.set, s),
  );

  const result: DemoResult = {
    date: new Date().toISOString(),
    adapter: describe(dev.info),
    kind: dev.kind,
    seed: s.seed,
    smoke: s.smoke,
    stages,
    diffusion: losses(join(s.out, "diffusion")),
    recogniser: losses(join(s.out, "recogniser")),
    identities: s.identities,
    perIdentity: s.perIdentity,
    threshold: s.threshold,
    stepTh: s.stepTh,
    distances: sampled.distances,
    conditionedFrom: sampled.generated.conditionedFrom,
    accuracy: {
      chance: 0.5,
      untrained: judged.untrained.accuracy,
      pairs: s.pairs,
      generated: judged.own.accuracy,
      generatedStd: judged.own.std,
      drawn: judged.drawn.accuracy,
      drawnStd: judged.drawn.std,
    },
    cosine,
  };
  return {
    result,
    images: { generated: sampled.generated.set, contexts: made.images, drawn: drawn.train, strip: sampled.strip },
  };
}

/** People to train on and people to verify on; numbers from 100,000 on are nobody that a shipped net was trained on. */
async function drawBoth(s: DemoSettings) {
  const train = await openImages(s.train, { size: SIZE, onProgress: progress("drawing") });
  const unseen = await openImages(s.unseen, { size: SIZE, onProgress: progress("drawing") });
  return { train, unseen };
}

/** The shipped model trains on; the averaged weights lie in <out>/diffusion afterwards. */
async function trainOn(s: DemoSettings, images: PixelSet): Promise<void> {
  const weights = shippedWeights();
  const unet = await trainDiffusion(
    {
      ...diffusionDefaults,
      init: join(weights, "diffusion.safetensors"),
      vqgan: join(weights, "vqgan.safetensors"),
      recogniser: join(weights, "recogniser.safetensors"),
      batch: s.smoke ? 4 : 8,
      lr: 1e-4,
      steps: s.diffusionSteps,
      saveEvery: 0,
      seed: s.seed,
      out: join(s.out, "diffusion"),
    },
    images,
  );
  unet.dispose();
}

/** The averaged weights that trainOn left. */
function averaged(s: DemoSettings) {
  return openSafetensors(join(s.out, "diffusion", "diffusion.safetensors"));
}

/** New people. In a smoke run any two may be alike: after three updates many are. */
function contextsOf(nets: Nets, s: DemoSettings) {
  return newContexts(nets, {
    identities: s.identities,
    seed: s.seed,
    batch: s.smoke ? 4 : 16,
    ddimSteps: s.ddimSteps,
    maxCosine: s.smoke ? 1.1 : 0.4,
    onProgress: progress("identities"),
  });
}

/** What sampling gives: the images, and what the report shows of the way there. */
interface Sampled {
  generated: Generated;
  distances: DemoResult["distances"];
  strip: DemoImages["strip"];
}

/** Samples all images, and keeps d_t at every step and a look at some steps of the first image. */
async function sample(nets: Nets, contexts: Contexts, s: DemoSettings): Promise<Sampled> {
  const distances: DemoResult["distances"] = [];
  const strip: DemoImages["strip"] = [];
  const jumps = ddimJumps(linear().alphaBars, s.ddimSteps);
  const shown = new Set(SHOWN.map((part) => Math.floor(part * jumps.length)));
  const generated = await generate(nets, contexts, {
    perIdentity: s.perIdentity,
    seed: s.seed,
    ddimSteps: s.ddimSteps,
    threshold: s.threshold,
    stepTh: s.stepTh,
    onProgress: progress("sampling"),
    onStep: async (step, images) => {
      step.d?.forEach((d, b) => {
        distances.push({ t: step.t, image: images[b]!, d });
      });
      if (images[0] === 0 && shown.has(step.index))
        strip.push(await lookAt(nets, contexts, step, jumps[step.index]!.aNext));
    },
  });
  return { generated, distances, strip };
}

/** The first image at one step: the clean latent behind x and eps, decoded, and where a plain conditional pass looks. */
async function lookAt(
  nets: Nets,
  contexts: Contexts,
  step: TwoStageStep,
  aNext: number,
): Promise<DemoImages["strip"][number]> {
  return scope(async () => {
    const [x, eps] = [gatherRows(step.x, [0]), gatherRows(step.eps, [0])];
    const x0: Tensor = mul(add(x, mul(eps, -Math.sqrt(1 - aNext))), 1 / Math.sqrt(aNext));
    const image = toBytes(await decoded(nets.vqgan, x0));
    const context = tensor(rowOf(contexts.rows, 0, contexts.dim), [1, contexts.dim]);
    const { heat: look } = nets.unet.run(x, step.t, context, { heat: true });
    return { t: step.t, image, look: heat((await look!.read()) as Float32Array, 32, 2) };
  });
}

/** A recogniser that has seen nothing but the generated images. */
const learn = (s: DemoSettings, set: PixelSet): Promise<Backbone> =>
  trainRecogniser(
    {
      ...recogniserDefaults,
      batch: s.smoke ? 4 : 32,
      lr: 0.05,
      shift: 4, // a hundred images are learnt by heart where nothing changes
      contrast: 0.3,
      steps: s.recogniserSteps,
      saveEvery: 0,
      seed: s.seed,
      out: join(s.out, "recogniser"),
    },
    set,
  );

/** Verifies three recognisers on the same pairs: the one trained on generated people, the shipped one (drawn people), an untrained one. */
async function judge(
  s: DemoSettings,
  unseen: PixelSet,
  own: Backbone,
  drawn: Backbone,
): Promise<{ own: Verification; drawn: Verification; untrained: Verification }> {
  const pairs = makePairs(unseen.labels, s.pairs, s.seed);
  const [judgeOwn, judgeDrawn] = [await verification(own, unseen, pairs), await verification(drawn, unseen, pairs)];
  // What a net gives that has learned nothing: colours alone tell many of the drawn people apart.
  const blank = backbones[recogniserDefaults.net as keyof typeof backbones]().init(s.seed);
  const untrained = await verification(blank, unseen, pairs);
  blank.dispose();
  return { own: judgeOwn, drawn: judgeDrawn, untrained };
}

/** Ten-fold verification of a recogniser on pairs of a set. */
async function verification(backbone: Backbone, set: PixelSet, { a, b, same }: Pairs): Promise<Verification> {
  const { rows, dim } = await embed(backbone, set, { flip: true });
  return verify(takeRows(rows, a, dim), takeRows(rows, b, dim), same);
}

/** Mean cosine of the images to their own identity's context, and to the next identity's. */
async function cosines(
  recogniser: Backbone,
  contexts: Contexts,
  set: PixelSet,
  s: DemoSettings,
): Promise<DemoResult["cosine"]> {
  const { rows, dim } = await embed(recogniser, set);
  const dot = (image: number, identity: number) => {
    let sum = 0;
    for (let j = 0; j < dim; j++) sum += rows[image * dim + j]! * contexts.rows[identity * dim + j]!;
    return sum;
  };
  let [own, other] = [0, 0];
  for (let i = 0; i < set.labels.length; i++) {
    own += dot(i, set.labels[i]!);
    other += dot(i, (set.labels[i]! + 1) % s.identities);
  }
  return { own: own / set.labels.length, other: other / set.labels.length };
}

/** The loss of every step, from a run's metrics.jsonl. */
const losses = (run: string): { step: number; loss: number }[] =>
  readMetrics(join(run, "metrics.jsonl")).map(({ step, values }) => ({ step, loss: values.loss! }));
