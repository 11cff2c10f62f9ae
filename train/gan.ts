// What judges the autoencoder's images besides their pixels (models/gan_loss.ts), as one part of its training: LPIPS, whose
// weights come from files, and a discriminator, which learns beside it. Both are off unless the settings ask for them.

import { UsageError } from "../engine/errors.js";
import { openTensors } from "../engine/io/open.js";
import { mean } from "../engine/ops/reduce.js";
import { Adam } from "../engine/optim.js";
import { random } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import type { Part } from "../engine/state.js";
import type { Tensor } from "../engine/tensor.js";
import { Discriminator } from "../models/discriminator.js";
import { discriminatorStep, generatorStep } from "../models/gan_loss.js";
import { loadCheckpoint } from "../models/load.js";
import { Lpips } from "../models/lpips.js";
import { VGG_MIN_SIDE } from "../models/vgg16.js";
import type { VqGan } from "../models/vqgan.js";

export const ganDefaults = {
  lpips: "", //              weights of LPIPS, one file or several with commas between; "": no perceptual loss
  perceptualWeight: 1,
  lpipsDropout: true, //     half of the differences, as in the official training (docs/quirks.md)
  discWeight: 0, //          of the discriminator; 0: none; 0.75 is the official one
  discStart: 0, //           its first step
};

type GanSettings = typeof ganDefaults & { size: number; seed: number };

/** What both of Adam's are in VQGAN's training. */
export const ganBetas = [0.5, 0.9] as const;

type Logged = Record<string, Tensor>;

/** Reads LPIPS and makes the discriminator. */
export async function openGan(s: GanSettings): Promise<Gan> {
  const discriminator = s.discWeight ? new Discriminator() : undefined;
  if (discriminator && discriminator.patches(s.size) < 1)
    tooSmall(s, "the discriminator", smallest(discriminator), "with --disc-weight 0");
  if (s.lpips && s.size < VGG_MIN_SIDE) tooSmall(s, "LPIPS", VGG_MIN_SIDE, "without --lpips");
  const lpips = s.lpips ? new Lpips() : undefined;
  if (lpips) await loadCheckpoint(lpips, await Promise.all(s.lpips.split(",").map((path) => openTensors(path.trim()))));
  return new Gan(s, lpips?.freeze(), discriminator?.init(s.seed));
}

export class Gan {
  private readonly adam: Adam | undefined;

  /** Use `openGan`. */
  constructor(
    private readonly s: GanSettings,
    private readonly lpips: Lpips | undefined,
    private readonly discriminator: Discriminator | undefined,
  ) {
    if (discriminator) this.adam = new Adam(discriminator.parameters(), { betas: ganBetas });
  }

  /** What a save holds of it. LPIPS does not learn. */
  get parts(): Record<string, Part> {
    const { discriminator, adam } = this;
    return discriminator && adam ? { discriminator, discriminatorAdam: adam } : {};
  }

  /** Accumulates the gradient of the autoencoder's loss. Returns what is to be logged. */
  generator(vqgan: VqGan, x: Tensor, step: number, quantise: boolean): Logged {
    return scope(() => {
      const { lpips, s } = this;
      const terms = generatorStep(vqgan, x, {
        lpips,
        discriminator: this.judge(step),
        perceptualWeight: s.perceptualWeight,
        discriminatorWeight: s.discWeight,
        quantise,
        rng: lpips && s.lpipsDropout ? random(s.seed, "lpips", step) : undefined,
      });
      const { l1, codebook, perceptual, g, weight } = terms;
      return {
        l1,
        ...(codebook && { codebook }),
        ...(perceptual && { lpips: mean(perceptual) }),
        ...(g && weight && { g, weight }),
      };
    });
  }

  /** After the autoencoder's update: the discriminator's, if it is its time. Returns what is to be logged. */
  update(vqgan: VqGan, x: Tensor, step: number, { quantise, lr }: { quantise: boolean; lr: number }): Logged {
    const discriminator = this.judge(step);
    if (!discriminator || !this.adam) return {};
    const d = scope(() => discriminatorStep(vqgan, discriminator, x, { quantise }).d);
    this.adam.step({ lr });
    this.adam.zeroGrad();
    return { d };
  }

  dispose(): void {
    this.adam?.dispose();
    this.discriminator?.dispose();
    this.lpips?.dispose();
  }

  /** The official code lets it run before its first step with weight 0, which changes its running statistics alone. */
  private judge(step: number): Discriminator | undefined {
    return step >= this.s.discStart ? this.discriminator : undefined;
  }
}

/** The smallest side with a patch to judge. */
function smallest(discriminator: Discriminator): number {
  let side = 1;
  while (discriminator.patches(side) < 1) side++;
  return side;
}

function tooSmall(s: GanSettings, who: string, least: number, off: string): never {
  throw new UsageError(`Images of ${s.size} px are too small for ${who}, which needs ${least}.
Use --size ${least} or more, or train ${off}.`);
}
