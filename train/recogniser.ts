// Trains a face recogniser: a backbone whose features a margin head tells apart by identity (paper, section 4.1).
//
//   loss = cross-entropy of the head's logits              head: models/heads.ts
//
//   uiface train recogniser                                drawn people, the small net
//   uiface train recogniser --preset paper --data data/uiface
// Its weights make the contexts of the diffusion model, and judge generated sets. Expect a loss of about 21 at first and 9 after 800
// steps of the small run: the margin keeps it high, and the accuracy on unseen people (docs/results.md) says more.

import { batchIndices, type Changes, imageBatch, labelBatch, type PixelSet } from "../data/pixels.js";
import { UsageError } from "../engine/errors.js";
import { crossEntropy } from "../engine/ops/cross_entropy.js";
import { SGD } from "../engine/optim.js";
import { type Rng, random } from "../engine/random.js";
import { multiStep } from "../engine/schedules.js";
import { scope } from "../engine/scope.js";
import { backward } from "../engine/tape.js";
import { AdaFace, ArcFace, CosFace, CurricularFace, type Head } from "../models/heads.js";
import { type Backbone, backbones, sizesOf } from "../models/iresnet.js";
import { loadCheckpoint } from "../models/load.js";
import { openData } from "./data.js";
import { openRun } from "./run.js";
import { saveWeights } from "./weights.js";

export const heads = { arcface: ArcFace, cosface: CosFace, curricularface: CurricularFace, adaface: AdaFace };

export const recogniserDefaults = {
  data: "drawn:400x16",
  size: 64, //                 ir_50 and its kin take 112
  net: "ir_tiny", //           a name in models/iresnet.ts
  init: "",
  head: "cosface",
  margin: 0.35,
  scale: 32, //                s of the head: 64 for thousands of people
  dropout: 0.2, //             before the last linear layer
  shift: 0, //                 an image moves by up to so many pixels: for small sets
  contrast: 0, //              its values are scaled by 1 - contrast to 1 + contrast
  batch: 64,
  lr: 0.1,
  drops: [0.55, 0.75, 0.9], // parts of the run after which lr falls tenfold
  weightDecay: 5e-4,
  steps: 1_500,
  saveEvery: 500,
  seed: 0,
  strict: false,
  out: "runs/recogniser",
};

/** Trains, and writes `<out>/recogniser.safetensors` (the backbone). A device is open. `images`: instead of s.data. */
export async function trainRecogniser(s: typeof recogniserDefaults, images?: PixelSet): Promise<Backbone> {
  const net = s.net as keyof typeof backbones;
  const { side, features } = sizesOf(net);
  const set = images ?? (await openData(s));
  if (set.size !== side)
    throw new UsageError(`${net} takes images of ${side} px, not ${set.size}. Use --size ${side}.`);
  const backbone = backbones[net](s.dropout).init(s.seed) as Backbone;
  if (s.init) await loadCheckpoint(backbone, s.init);
  const head: Head = new heads[s.head as keyof typeof heads](features, set.names.length, {
    margin: s.margin,
    scale: s.scale,
  }).init(s.seed);
  const sgd = new SGD([...backbone.parameters(), ...head.parameters()], { momentum: 0.9, weightDecay: s.weightDecay });
  const run = await openRun(s, { parts: { backbone, head, sgd } });
  const milestones = s.drops.map((part) => Math.round(part * s.steps));

  for (let step = run.step; step < s.steps; step++) {
    scope(() => {
      const rng = random(s.seed, "recogniser", step);
      const indices = batchIndices(set.labels.length, s.batch, s.seed, step);
      const labels = labelBatch(set, indices);
      const y = backbone.forward(imageBatch(set, indices, changesOf(s, rng)), rng);
      const loss = crossEntropy(
        head.forward(
          y,
          Array.from(indices, (i) => set.labels[i]!),
        ),
        labels,
      );
      run.log({ loss });
      backward(loss);
    });
    sgd.clipGradNorm(5);
    sgd.step({ lr: multiStep(step, { lr: s.lr, milestones }) });
    sgd.zeroGrad();
    await run.endStep(step);
  }
  await run.finish();
  await saveWeights(backbone, `${s.out}/recogniser.safetensors`, {
    net: s.net,
    size: String(s.size),
    features: String(features),
  });
  sgd.dispose();
  head.dispose();
  return backbone;
}

/** Every image is mirrored or not, and moved and scaled where the settings say so. */
function changesOf({ batch, shift, contrast }: typeof recogniserDefaults, rng: Rng): Changes {
  const flip = rng.bernoulli(0.5, batch);
  const moves = () => rng.integers(batch, -shift, shift + 1);
  return {
    flip,
    shift: shift ? { y: moves(), x: moves() } : undefined,
    gain: contrast ? rng.uniforms(batch).map((u) => 1 + contrast * (2 * u - 1)) : undefined,
  };
}
