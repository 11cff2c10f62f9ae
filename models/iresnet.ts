// The face-recognition backbones: images (B, 3, 112, 112) in [-1, 1] to features (B, 512). Two families of the same "improved
// residual" net (Duta et al. 2020; the block without an activation at its end is ArcFace's, Deng et al. 2019):
//
//   IR        TFace and AdaFace: "IR_50"          a shortcut without weights where the channels stay
//   IResNet   InsightFace, ElasticFace, IDiff-Face: "iresnet50"     a projection in the first block of every stage
//
// Training (batch statistics, dropout) is asked for with an rng; without one the net evaluates.

import { BatchNorm, Conv2d, kaimingFanOut, Linear, Module, normal, PReLU } from "../engine/nn.js";
import { add } from "../engine/ops/binary.js";
import { dropout } from "../engine/ops/dropout.js";
import { reshape } from "../engine/ops/layout.js";
import { maxPool2d } from "../engine/ops/pool.js";
import type { Rng } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

/** Blocks a stage. */
const units = {
  18: [2, 2, 2, 2],
  34: [3, 4, 6, 3],
  50: [3, 4, 14, 3],
  100: [3, 13, 30, 3],
} as const;

/** Channels of the four stages, the side of the last maps (112 halved by four stages), and the features that come out. */
export interface Size {
  widths: readonly [number, number, number, number];
  side: number;
  features: number;
}

const standard: Size = { widths: [64, 128, 256, 512], side: 7, features: 512 };
/** For 64 x 64 images, 0.08 GFLOP each: the miniature's recogniser. */
const tiny: Size = { widths: [16, 32, 64, 128], side: 4, features: 128 };

/** A net that turns faces into features. */
export interface Backbone extends Module {
  forward(x: Tensor, rng?: Rng): Tensor;
}

export const backbones = {
  ir_18: (p?: number): Backbone => new IR(units[18], p),
  ir_34: (p?: number): Backbone => new IR(units[34], p),
  ir_50: (p?: number): Backbone => new IR(units[50], p),
  ir_101: (p?: number): Backbone => new IR(units[100], p),
  ir_tiny: (p?: number): Backbone => new IR([1, 1, 1, 1], p, tiny),
  iresnet18: (p?: number): Backbone => new IResNet(units[18], p),
  iresnet34: (p?: number): Backbone => new IResNet(units[34], p),
  iresnet50: (p?: number): Backbone => new IResNet(units[50], p),
  iresnet100: (p?: number): Backbone => new IResNet(units[100], p),
};

/** What a backbone takes and gives: images (B, 3, side, side), features (B, features). */
export function sizesOf(net: keyof typeof backbones): { side: number; features: number } {
  const { side, features } = net === "ir_tiny" ? tiny : standard;
  return { side: 16 * side, features };
}

/** (inputs, outputs, stride) of every block, stage by stage; the first of each stage halves the side. */
const plan = (stages: readonly number[], { widths }: Size): [inputs: number, outputs: number, stride: number][][] =>
  stages.map((count, s) =>
    Array.from({ length: count }, (_, n) => [n ? widths[s]! : widths[Math.max(0, s - 1)]!, widths[s]!, n ? 1 : 2]),
  );

const convIR = (inputs: number, outputs: number, kernel: number, stride: number) =>
  new Conv2d(inputs, outputs, kernel, { stride, padding: kernel >> 1, bias: false, init: kaimingFanOut });

class IRBlock extends Module {
  readonly shortcut_layer: { 0: Conv2d; 1: BatchNorm } | undefined;
  readonly res_layer: { 0: BatchNorm; 1: Conv2d; 2: BatchNorm; 3: PReLU; 4: Conv2d; 5: BatchNorm };

  constructor(
    inputs: number,
    outputs: number,
    readonly stride: number,
  ) {
    super();
    this.res_layer = {
      0: new BatchNorm(inputs),
      1: convIR(inputs, outputs, 3, 1),
      2: new BatchNorm(outputs),
      3: new PReLU(outputs),
      4: convIR(outputs, outputs, 3, stride),
      5: new BatchNorm(outputs),
    };
    if (inputs !== outputs) this.shortcut_layer = { 0: convIR(inputs, outputs, 1, stride), 1: new BatchNorm(outputs) };
  }

  forward(x: Tensor, training: boolean): Tensor {
    return scope(() => {
      const r = this.res_layer;
      const h = r[2].forward(r[1].forward(r[0].forward(x, training)), training);
      const out = r[5].forward(r[4].forward(r[3].forward(h)), training);
      return add(out, this.shortcut(x, training));
    });
  }

  private shortcut(x: Tensor, training: boolean): Tensor {
    const s = this.shortcut_layer;
    if (s) return s[1].forward(s[0].forward(x), training);
    return this.stride === 1 ? x : maxPool2d(x, { kernel: 1, stride: this.stride });
  }
}

export class IR extends Module implements Backbone {
  readonly input_layer: { 0: Conv2d; 1: BatchNorm; 2: PReLU };
  readonly output_layer: { 0: BatchNorm; 3: Linear; 4: BatchNorm };
  readonly body: IRBlock[];

  constructor(
    stages: readonly number[],
    private readonly dropoutProbability = 0.4,
    private readonly size = standard,
  ) {
    super();
    const { widths, side, features } = size;
    this.input_layer = { 0: convIR(3, widths[0], 3, 1), 1: new BatchNorm(widths[0]), 2: new PReLU(widths[0]) };
    this.output_layer = {
      0: new BatchNorm(widths[3]),
      3: new Linear(widths[3] * side * side, features, { init: kaimingFanOut }),
      4: new BatchNorm(features, false),
    };
    this.body = plan(stages, size)
      .flat()
      .map(([inputs, outputs, stride]) => new IRBlock(inputs, outputs, stride));
  }

  forward(x: Tensor, rng?: Rng): Tensor {
    const training = rng !== undefined;
    return scope(() => {
      const [i, o] = [this.input_layer, this.output_layer];
      let h = scope(() => i[2].forward(i[1].forward(i[0].forward(x), training)));
      for (const block of this.body) {
        const before = h;
        h = block.forward(before, training);
        before.dispose();
      }
      h = o[0].forward(h, training);
      if (rng && this.dropoutProbability > 0) h = dropout(h, this.dropoutProbability, rng);
      const { widths, side } = this.size;
      return o[4].forward(o[3].forward(reshape(h, [x.dim(0), widths[3] * side * side])), training);
    });
  }
}

const FLAT = standard.widths[3] * standard.side ** 2;

const convIResNet = (inputs: number, outputs: number, kernel: number, stride: number) =>
  new Conv2d(inputs, outputs, kernel, { stride, padding: kernel >> 1, bias: false, init: normal(0.1) });

class IResNetBlock extends Module {
  readonly bn1: BatchNorm;
  readonly conv1: Conv2d;
  readonly bn2: BatchNorm;
  readonly prelu: PReLU;
  readonly conv2: Conv2d;
  readonly bn3: BatchNorm;
  readonly downsample: { 0: Conv2d; 1: BatchNorm } | undefined;

  constructor(inputs: number, outputs: number, stride: number) {
    super();
    this.bn1 = new BatchNorm(inputs);
    this.conv1 = convIResNet(inputs, outputs, 3, 1);
    this.bn2 = new BatchNorm(outputs);
    this.prelu = new PReLU(outputs);
    this.conv2 = convIResNet(outputs, outputs, 3, stride);
    this.bn3 = new BatchNorm(outputs);
    if (stride !== 1) this.downsample = { 0: convIResNet(inputs, outputs, 1, stride), 1: new BatchNorm(outputs) };
  }

  forward(x: Tensor, training: boolean): Tensor {
    return scope(() => {
      const h = this.bn2.forward(this.conv1.forward(this.bn1.forward(x, training)), training);
      const out = this.bn3.forward(this.conv2.forward(this.prelu.forward(h)), training);
      const d = this.downsample;
      return add(out, d ? d[1].forward(d[0].forward(x), training) : x);
    });
  }
}

export class IResNet extends Module implements Backbone {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm;
  readonly prelu: PReLU;
  readonly layer1: IResNetBlock[];
  readonly layer2: IResNetBlock[];
  readonly layer3: IResNetBlock[];
  readonly layer4: IResNetBlock[];
  readonly bn2: BatchNorm;
  readonly fc: Linear;
  /** Its weight stays 1. */
  readonly features: BatchNorm;

  constructor(
    stages: readonly number[],
    private readonly dropoutProbability = 0.4,
  ) {
    super();
    this.conv1 = convIResNet(3, 64, 3, 1);
    this.bn1 = new BatchNorm(64);
    this.prelu = new PReLU(64);
    const layers = plan(stages, standard).map((stage) =>
      stage.map(([inputs, outputs, stride]) => new IResNetBlock(inputs, outputs, stride)),
    );
    [this.layer1, this.layer2, this.layer3, this.layer4] = layers as [
      IResNetBlock[],
      IResNetBlock[],
      IResNetBlock[],
      IResNetBlock[],
    ];
    this.bn2 = new BatchNorm(512);
    this.fc = new Linear(FLAT, standard.features);
    this.features = new BatchNorm(standard.features, "bias");
  }

  forward(x: Tensor, rng?: Rng): Tensor {
    const training = rng !== undefined;
    return scope(() => {
      let h = scope(() => this.prelu.forward(this.bn1.forward(this.conv1.forward(x), training)));
      for (const block of [this.layer1, this.layer2, this.layer3, this.layer4].flat()) {
        const before = h;
        h = block.forward(before, training);
        before.dispose();
      }
      h = this.bn2.forward(h, training);
      if (rng && this.dropoutProbability > 0) h = dropout(h, this.dropoutProbability, rng);
      return this.features.forward(this.fc.forward(reshape(h, [x.dim(0), FLAT])), training);
    });
  }
}
