// Inception-v3 (Szegedy et al. 2016) as torchvision has it: the features that sets of images are compared by.
//
//   every unit     conv without bias, batch norm (eps 1e-3), ReLU
//   A  35x35       1x1 | 1x1 5x5 | 1x1 3x3 3x3 | average pool, 1x1
//   B  -> 17x17    3x3 s2 | 1x1 3x3 3x3 s2 | max-pool s2
//   C  17x17       1x1 | 1x1 1x7 7x1 | 1x1 7x1 1x7 7x1 1x7 | average pool, 1x1
//   D  -> 8x8      1x1 3x3 s2 | 1x1 1x7 7x1 3x3 s2 | max-pool s2
//   E  8x8         1x1 | 1x1 {1x3, 3x1} | 1x1 3x3 {1x3, 3x1} | average pool, 1x1
//
// Images are (B, 3, 299, 299) in [-1, 1]: torchvision's `transform_input` false. The net only evaluates: running statistics, no
// dropout; its auxiliary head, which is for training, has its weights here and no forward pass. The variant in which other
// tools compute the Frechet distance pools differently and has other weights.

import { BatchNorm, Conv2d, Linear, Module, normal } from "../engine/nn.js";
import { cat } from "../engine/ops/cat.js";
import { bilinear } from "../engine/ops/interpolate.js";
import { reshape } from "../engine/ops/layout.js";
import { avgPool2d, globalAvgPool, maxPool2d } from "../engine/ops/pool.js";
import { relu } from "../engine/ops/unary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

export const INCEPTION_SIDE = 299;
export const INCEPTION_FEATURES = 2048;

type Kernel = number | readonly [height: number, width: number];

/** torchvision cuts its normal at 2, which is twenty deviations here. */
const FIRST = normal(0.1);

class Unit extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm;

  constructor(inputs: number, outputs: number, kernel: Kernel, stride: number, padded: boolean) {
    super();
    const [height, width] = typeof kernel === "number" ? [kernel, kernel] : kernel;
    const same = [height >> 1, width >> 1] as const;
    const padding = padded && height * width > 1 ? same : 0;
    this.conv = new Conv2d(inputs, outputs, kernel, { stride, padding, bias: false, init: FIRST });
    this.bn = new BatchNorm(outputs, true, { eps: 1e-3 });
  }

  forward(x: Tensor): Tensor {
    return scope(() => relu(this.bn.forward(this.conv.forward(x), false)));
  }
}

/** Keeps the side. */
const same = (inputs: number, outputs: number, kernel: Kernel = 1) => new Unit(inputs, outputs, kernel, 1, true);
/** Halves the side: 35 to 17 to 8. */
const half = (inputs: number, outputs: number) => new Unit(inputs, outputs, 3, 2, false);

/** One unit after the other. */
const chain = (x: Tensor, ...units: readonly Unit[]): Tensor =>
  scope(() => units.reduce((h, unit) => unit.forward(h), x));

const pooled = (x: Tensor, unit: Unit): Tensor =>
  scope(() => unit.forward(avgPool2d(x, { kernel: 3, stride: 1, padding: 1 })));

const halved = (x: Tensor): Tensor => maxPool2d(x, { kernel: 3, stride: 2 });

abstract class Block extends Module {
  /** What is joined to the result, in this order. */
  protected abstract branches(x: Tensor): Tensor[];

  forward(x: Tensor): Tensor {
    return scope(() => cat(this.branches(x)));
  }
}

class BlockA extends Block {
  readonly branch1x1: Unit;
  readonly branch5x5_1: Unit;
  readonly branch5x5_2 = same(48, 64, 5);
  readonly branch3x3dbl_1: Unit;
  readonly branch3x3dbl_2 = same(64, 96, 3);
  readonly branch3x3dbl_3 = same(96, 96, 3);
  readonly branch_pool: Unit;

  constructor(inputs: number, poolChannels: number) {
    super();
    this.branch1x1 = same(inputs, 64);
    this.branch5x5_1 = same(inputs, 48);
    this.branch3x3dbl_1 = same(inputs, 64);
    this.branch_pool = same(inputs, poolChannels);
  }

  protected branches(x: Tensor): Tensor[] {
    return [
      this.branch1x1.forward(x),
      chain(x, this.branch5x5_1, this.branch5x5_2),
      chain(x, this.branch3x3dbl_1, this.branch3x3dbl_2, this.branch3x3dbl_3),
      pooled(x, this.branch_pool),
    ];
  }
}

class BlockB extends Block {
  readonly branch3x3: Unit;
  readonly branch3x3dbl_1: Unit;
  readonly branch3x3dbl_2 = same(64, 96, 3);
  readonly branch3x3dbl_3 = half(96, 96);

  constructor(inputs: number) {
    super();
    this.branch3x3 = half(inputs, 384);
    this.branch3x3dbl_1 = same(inputs, 64);
  }

  protected branches(x: Tensor): Tensor[] {
    return [
      this.branch3x3.forward(x),
      chain(x, this.branch3x3dbl_1, this.branch3x3dbl_2, this.branch3x3dbl_3),
      halved(x),
    ];
  }
}

class BlockC extends Block {
  readonly branch1x1 = same(768, 192);
  readonly branch7x7_1: Unit;
  readonly branch7x7_2: Unit;
  readonly branch7x7_3: Unit;
  readonly branch7x7dbl_1: Unit;
  readonly branch7x7dbl_2: Unit;
  readonly branch7x7dbl_3: Unit;
  readonly branch7x7dbl_4: Unit;
  readonly branch7x7dbl_5: Unit;
  readonly branch_pool = same(768, 192);

  /** `c`: channels between the strips of 7. */
  constructor(c: number) {
    super();
    this.branch7x7_1 = same(768, c);
    this.branch7x7_2 = same(c, c, [1, 7]);
    this.branch7x7_3 = same(c, 192, [7, 1]);
    this.branch7x7dbl_1 = same(768, c);
    this.branch7x7dbl_2 = same(c, c, [7, 1]);
    this.branch7x7dbl_3 = same(c, c, [1, 7]);
    this.branch7x7dbl_4 = same(c, c, [7, 1]);
    this.branch7x7dbl_5 = same(c, 192, [1, 7]);
  }

  protected branches(x: Tensor): Tensor[] {
    const { branch7x7dbl_1, branch7x7dbl_2, branch7x7dbl_3, branch7x7dbl_4, branch7x7dbl_5 } = this;
    return [
      this.branch1x1.forward(x),
      chain(x, this.branch7x7_1, this.branch7x7_2, this.branch7x7_3),
      chain(x, branch7x7dbl_1, branch7x7dbl_2, branch7x7dbl_3, branch7x7dbl_4, branch7x7dbl_5),
      pooled(x, this.branch_pool),
    ];
  }
}

class BlockD extends Block {
  readonly branch3x3_1 = same(768, 192);
  readonly branch3x3_2 = half(192, 320);
  readonly branch7x7x3_1 = same(768, 192);
  readonly branch7x7x3_2 = same(192, 192, [1, 7]);
  readonly branch7x7x3_3 = same(192, 192, [7, 1]);
  readonly branch7x7x3_4 = half(192, 192);

  protected branches(x: Tensor): Tensor[] {
    return [
      chain(x, this.branch3x3_1, this.branch3x3_2),
      chain(x, this.branch7x7x3_1, this.branch7x7x3_2, this.branch7x7x3_3, this.branch7x7x3_4),
      halved(x),
    ];
  }
}

class BlockE extends Block {
  readonly branch1x1: Unit;
  readonly branch3x3_1: Unit;
  readonly branch3x3_2a = same(384, 384, [1, 3]);
  readonly branch3x3_2b = same(384, 384, [3, 1]);
  readonly branch3x3dbl_1: Unit;
  readonly branch3x3dbl_2 = same(448, 384, 3);
  readonly branch3x3dbl_3a = same(384, 384, [1, 3]);
  readonly branch3x3dbl_3b = same(384, 384, [3, 1]);
  readonly branch_pool: Unit;

  constructor(inputs: number) {
    super();
    this.branch1x1 = same(inputs, 320);
    this.branch3x3_1 = same(inputs, 384);
    this.branch3x3dbl_1 = same(inputs, 448);
    this.branch_pool = same(inputs, 192);
  }

  protected branches(x: Tensor): Tensor[] {
    const single = this.branch3x3_1.forward(x);
    const double = chain(x, this.branch3x3dbl_1, this.branch3x3dbl_2);
    return [
      this.branch1x1.forward(x),
      this.branch3x3_2a.forward(single),
      this.branch3x3_2b.forward(single),
      this.branch3x3dbl_3a.forward(double),
      this.branch3x3dbl_3b.forward(double),
      pooled(x, this.branch_pool),
    ];
  }
}

/** Weights alone. */
class AuxiliaryHead extends Module {
  readonly conv0 = same(768, 128);
  readonly conv1 = new Unit(128, 768, 5, 1, false);
  readonly fc: Linear;

  constructor(classes: number) {
    super();
    this.fc = new Linear(768, classes, { init: normal(0.001), bias: "default" });
  }
}

/** The trunk, by the names that taps have. */
const trunk = [
  "Conv2d_1a_3x3",
  "Conv2d_2a_3x3",
  "Conv2d_2b_3x3",
  "maxpool1",
  "Conv2d_3b_1x1",
  "Conv2d_4a_3x3",
  "maxpool2",
  "Mixed_5b",
  "Mixed_5c",
  "Mixed_5d",
  "Mixed_6a",
  "Mixed_6b",
  "Mixed_6c",
  "Mixed_6d",
  "Mixed_6e",
  "Mixed_7a",
  "Mixed_7b",
  "Mixed_7c",
] as const;

export type InceptionTap = (typeof trunk)[number];

/** Whether the trunk has a stage of this name. */
export const isInceptionTap = (name: string): name is InceptionTap => (trunk as readonly string[]).includes(name);

export class Inception extends Module {
  readonly Conv2d_1a_3x3 = half(3, 32);
  readonly Conv2d_2a_3x3 = new Unit(32, 32, 3, 1, false);
  readonly Conv2d_2b_3x3 = same(32, 64, 3);
  readonly Conv2d_3b_1x1 = same(64, 80);
  readonly Conv2d_4a_3x3 = new Unit(80, 192, 3, 1, false);
  readonly Mixed_5b = new BlockA(192, 32);
  readonly Mixed_5c = new BlockA(256, 64);
  readonly Mixed_5d = new BlockA(288, 64);
  readonly Mixed_6a = new BlockB(288);
  readonly Mixed_6b = new BlockC(128);
  readonly Mixed_6c = new BlockC(160);
  readonly Mixed_6d = new BlockC(160);
  readonly Mixed_6e = new BlockC(192);
  readonly AuxLogits: AuxiliaryHead;
  readonly Mixed_7a = new BlockD();
  readonly Mixed_7b = new BlockE(1280);
  readonly Mixed_7c = new BlockE(2048);
  readonly fc: Linear;

  constructor(classes = 1000) {
    super();
    this.AuxLogits = new AuxiliaryHead(classes);
    this.fc = new Linear(INCEPTION_FEATURES, classes, { init: FIRST, bias: "default" });
  }

  /**
   * Features (B, 2048), the mean of the last maps, and the results of the stages named in `taps`. Images of another size are
   * stretched to 299 x 299 first, bilinearly without antialiasing.
   */
  run(images: Tensor, taps: readonly InceptionTap[] = []): { features: Tensor; tapped: Tensor[] } {
    return scope(() => {
      const fits = images.dim(2) === INCEPTION_SIDE && images.dim(3) === INCEPTION_SIDE;
      let h = fits ? images : bilinear(images, [INCEPTION_SIDE, INCEPTION_SIDE]);
      const tapped = new Map<string, Tensor>();
      for (const name of trunk) {
        const before = h;
        h = name === "maxpool1" || name === "maxpool2" ? halved(before) : this[name].forward(before);
        if (taps.includes(name)) tapped.set(name, h.alias());
        if (before !== images) before.dispose();
      }
      const features = reshape(globalAvgPool(h), [images.dim(0), INCEPTION_FEATURES]);
      return { features, tapped: taps.map((name) => tapped.get(name)!) };
    });
  }

  /** (B, 2048) */
  features(images: Tensor): Tensor {
    return this.run(images).features;
  }

  /** Logits of the classes, from features. */
  classify(features: Tensor): Tensor {
    return this.fc.forward(features);
  }
}
