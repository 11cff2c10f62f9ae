// Margin heads of face recognition: from features (B, D) and labels to logits (B, C), for softmax cross-entropy.
//
//   c_j = f . w_j          cosines of the L2-normalised feature and class column w_j of `kernel` (D, C)
//   logit_j = s c_j        but for the label's own column y, which is made harder by a margin m
//
//   ArcFace  (Deng et al. 2019)        phi(c_y) = cos(theta_y + m); past theta_y = pi - m: c_y - m sin(pi - m)
//   CosFace  (Wang et al. 2018)        c_y - m
//   CurricularFace (Huang et al. 2020) phi(c_y), and c_j (t + c_j) for every c_j above it; t follows the mean of c_y
//   AdaFace  (Kim et al. 2022)         cos(theta_y - m g) - (m + m g), g in [-1, 1] from the feature's norm: a proxy of quality

import { type Init, Module, normal, Parameter } from "../engine/nn.js";
import { add, div, mul, sub } from "../engine/ops/binary.js";
import { l2Normalize } from "../engine/ops/l2_normalize.js";
import { matmul } from "../engine/ops/matmul.js";
import { mean, std, sum } from "../engine/ops/reduce.js";
import { acos, affine, clamp, cos, sqrt, square } from "../engine/ops/unary.js";
import { scope } from "../engine/scope.js";
import { noGrad } from "../engine/tape.js";
import { type Tensor, tensor } from "../engine/tensor.js";

export interface HeadOptions {
  /** m */
  margin?: number;
  /** s, default 64 */
  scale?: number;
}

/** The class columns, and the cosines with them. */
export abstract class Head extends Module {
  readonly kernel: Parameter;
  protected readonly scale: number;

  constructor(size: number, classes: number, scale = 64, init: Init = normal(0.01)) {
    super();
    this.kernel = new Parameter([size, classes], init);
    this.scale = scale;
  }

  /**
   * The scaled logits, (B, classes). Call it once a training step: CurricularFace and AdaFace move their running numbers.
   *
   * @param features  (B, D), not normalised
   * @param labels    one a row, 0..classes-1
   */
  abstract forward(features: Tensor, labels: ArrayLike<number>): Tensor;

  /** (B, classes) within +-limit. */
  protected cosines(features: Tensor, limit = 1): Tensor {
    return clamp(matmul(l2Normalize(features, -1), l2Normalize(this.kernel.value, 0)), -limit, limit);
  }

  /** 1 in each row's own column, 0 elsewhere. */
  protected oneHot(labels: ArrayLike<number>): Tensor {
    const classes = this.kernel.shape[1]!;
    const hot = new Float32Array(labels.length * classes);
    for (let b = 0; b < labels.length; b++) hot[b * classes + labels[b]!] = 1;
    return tensor(hot, [labels.length, classes]);
  }
}

/**
 * 1 where a > b, else 0; no gradient. A difference of two floats is 0 or, for numbers near 1, at least 2^-24: times 2^100 it is
 * past 1, or not above 0.
 */
const greater = (a: Tensor, b: Tensor | number): Tensor => noGrad(() => clamp(mul(sub(a, b), 2 ** 100), 0, 1));

/** `a` where the mask is 1, `b` where it is 0. */
const where = (mask: Tensor, a: Tensor, b: Tensor): Tensor => add(mul(mask, a), mul(affine(mask, -1, 1), b));

/** cos(theta + m) for cos theta = c in (-1, 1). */
const addedAngle = (c: Tensor, m: number): Tensor =>
  sub(mul(c, Math.cos(m)), mul(sqrt(affine(square(c), -1, 1)), Math.sin(m)));

/** cos(theta + m) while theta + m stays below pi, then a line that keeps falling. */
const guardedAngle = (c: Tensor, m: number): Tensor =>
  where(greater(c, Math.cos(Math.PI - m)), addedAngle(c, m), sub(c, m * Math.sin(Math.PI - m)));

/** Each row's own cosine, (B, 1). */
const ownCosine = (c: Tensor, hot: Tensor): Tensor => sum(mul(c, hot), 1, true);

export class ArcFace extends Head {
  private readonly margin: number;

  constructor(size: number, classes: number, { margin = 0.5, scale }: HeadOptions = {}) {
    super(size, classes, scale);
    this.margin = margin;
  }

  forward(features: Tensor, labels: ArrayLike<number>): Tensor {
    return scope(() => {
      const c = this.cosines(features);
      const hot = this.oneHot(labels);
      return mul(where(hot, guardedAngle(ownCosine(c, hot), this.margin), c), this.scale);
    });
  }
}

export class CosFace extends Head {
  private readonly margin: number;

  constructor(size: number, classes: number, { margin = 0.4, scale }: HeadOptions = {}) {
    super(size, classes, scale);
    this.margin = margin;
  }

  forward(features: Tensor, labels: ArrayLike<number>): Tensor {
    return scope(() => mul(sub(this.cosines(features), mul(this.oneHot(labels), this.margin)), this.scale));
  }
}

export class CurricularFace extends Head {
  readonly t: Parameter;
  private readonly margin: number;

  constructor(size: number, classes: number, { margin = 0.5, scale }: HeadOptions = {}) {
    super(size, classes, scale);
    this.margin = margin;
    this.t = new Parameter([1], (_rng, [n]) => new Float32Array(n!), "buffer");
  }

  forward(features: Tensor, labels: ArrayLike<number>): Tensor {
    return scope(() => {
      const c = this.cosines(features);
      const hot = this.oneHot(labels);
      const own = ownCosine(c, hot);
      const { t } = this;
      noGrad(() => t.copy(add(mul(mean(own), 0.1), mul(t.value, 0.9))));
      const hard = greater(c, addedAngle(own, this.margin));
      const others = where(hard, mul(c, add(c, t.value)), c);
      return mul(where(hot, guardedAngle(own, this.margin), others), this.scale);
    });
  }
}

export interface AdaFaceOptions extends HeadOptions {
  /** How far a norm of one standard deviation moves the margin. */
  h?: number;
  /** Weight of this batch in the running numbers; the training script's 0.01 by default, the class default is 1. */
  tAlpha?: number;
}

export class AdaFace extends Head {
  readonly batch_mean: Parameter;
  readonly batch_std: Parameter;
  private readonly margin: number;
  private readonly h: number;
  private readonly tAlpha: number;

  constructor(size: number, classes: number, { margin = 0.4, scale, h = 0.333, tAlpha = 0.01 }: AdaFaceOptions = {}) {
    super(size, classes, scale, unitColumns);
    this.margin = margin;
    this.h = h;
    this.tAlpha = tAlpha;
    this.batch_mean = new Parameter([1], () => Float32Array.of(20), "buffer");
    this.batch_std = new Parameter([1], () => Float32Array.of(100), "buffer");
  }

  forward(features: Tensor, labels: ArrayLike<number>): Tensor {
    return scope(() => {
      const eps = 1e-3;
      const m = this.margin;
      const c = this.cosines(features, 1 - eps);
      const hot = this.oneHot(labels);
      const g = this.quality(features, eps);
      const theta = sub(acos(c), mul(hot, mul(g, m)));
      const angular = cos(clamp(theta, eps, Math.PI - eps));
      return mul(sub(angular, mul(hot, add(mul(g, m), m))), this.scale);
    });
  }

  /** g: how far each feature's norm lies from the running mean, in running standard deviations, (B, 1); no gradient. */
  private quality(features: Tensor, eps: number): Tensor {
    return noGrad(() => {
      const norms = clamp(sqrt(sum(square(features), 1, true)), 1e-3, 100);
      const follow = (running: Parameter, now: Tensor): void =>
        running.copy(add(mul(now, this.tAlpha), mul(running.value, 1 - this.tAlpha)));
      follow(this.batch_mean, mean(norms));
      follow(this.batch_std, std(norms));
      const deviations = div(sub(norms, this.batch_mean.value), add(this.batch_std.value, eps));
      return clamp(mul(deviations, this.h), -1, 1);
    });
  }
}

/** U(-1, 1), every column divided by its length. */
const unitColumns: Init = (rng, shape) => {
  const [rows, columns] = shape as [number, number];
  const w = rng.uniforms(rows * columns).map((u) => 2 * u - 1);
  for (let j = 0; j < columns; j++) {
    let squares = 0;
    for (let i = 0; i < rows; i++) squares += w[i * columns + j]! ** 2;
    for (let i = 0; i < rows; i++) w[i * columns + j]! /= Math.sqrt(squares);
  }
  return w;
};
