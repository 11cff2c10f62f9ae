// The discriminator of VQGAN's training: a PatchGAN (Isola et al. 2017) that judges every patch of an image.
//
//   main.0          conv 4x4, stride 2                 in -> ndf, LeakyReLU 0.2
//   main.2, 3 ...   conv 4x4, batch norm, LeakyReLU    stride 2, twice as wide each (at most 8 ndf); the last one stride 1
//   last            conv 4x4, stride 1                 -> 1: a logit a patch, not a probability
//
// The sizes of the paper, 2,765,633 parameters: 70 x 70 patches; 128 x 128 images give 14 x 14 logits.

import { BatchNorm, Conv2d, type Init, Module, normal } from "../engine/nn.js";
import { leakyRelu } from "../engine/ops/unary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

export interface DiscriminatorConfig {
  in_channels?: number;
  /** Channels after the first convolution. */
  ndf?: number;
  /** Convolutions with a normalisation; the last of them does not halve the side. */
  n_layers?: number;
}

const SLOPE = 0.2;
/** DCGAN's first values (Radford et al. 2016). */
const WEIGHT = normal(0.02);
const AROUND_ONE: Init = (rng, shape) => WEIGHT(rng, shape).map((z) => 1 + z);

const conv = (inputs: number, outputs: number, stride: number, bias: "default" | false) =>
  new Conv2d(inputs, outputs, 4, { stride, padding: 1, bias, init: WEIGHT });

export class Discriminator extends Module {
  /** By PyTorch's number; those between are LeakyReLUs. */
  readonly main: Record<number, Conv2d | BatchNorm> = {};
  readonly #first: Conv2d;
  readonly #blocks: (readonly [Conv2d, BatchNorm])[] = [];
  readonly #last: Conv2d;

  constructor({ in_channels = 3, ndf = 64, n_layers = 3 }: DiscriminatorConfig = {}) {
    super();
    this.#first = this.main[0] = conv(in_channels, ndf, 2, "default");
    let width = ndf;
    for (let n = 1; n <= n_layers; n++) {
      const wider = ndf * Math.min(2 ** n, 8);
      const block = [
        conv(width, wider, n < n_layers ? 2 : 1, false),
        new BatchNorm(wider, true, { init: AROUND_ONE }),
      ] as const;
      [this.main[3 * n - 1], this.main[3 * n]] = block;
      this.#blocks.push(block);
      width = wider;
    }
    this.#last = this.main[3 * n_layers + 2] = conv(width, 1, 1, "default");
  }

  /** Images (B, in_channels, H, W) in [-1, 1] to logits (B, 1, h, w). `training`: normalised by the batch's own statistics. */
  forward(x: Tensor, training: boolean): Tensor {
    return scope(() => {
      let h = scope(() => leakyRelu(this.#first.forward(x), SLOPE));
      for (const [conv, norm] of this.#blocks) {
        const before = h;
        h = scope(() => leakyRelu(norm.forward(conv.forward(before), training), SLOPE));
        before.dispose();
      }
      return this.#last.forward(h);
    });
  }

  /** The side of the logits of images `side` wide; below 1 they are too small. */
  patches(side: number): number {
    const strides = [2, ...this.#blocks.map((_, n) => (n < this.#blocks.length - 1 ? 2 : 1)), 1];
    return strides.reduce((n, stride) => Math.floor((n - 2) / stride) + 1, side);
  }
}
