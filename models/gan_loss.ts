// The losses of VQGAN's training (Esser et al. 2021, section 3.1), as the official code computes them. x: images, xr: what the
// autoencoder makes of them, D: the discriminator's logits.
//
//   nll   = mean (|x - xr| + p LPIPS(x, xr))
//   g     = - mean D(xr)
//   a     = d clamp(|dnll/dW| / (|dg/dW| + 1e-4), 0, 1e4)              W: the decoder's last weight; a is a constant to gradients
//   loss  = nll + a g + codebook loss                                  the autoencoder's
//   hinge = 1/2 (mean relu(1 - D(x)) + mean relu(1 + D(xr)))           the discriminator's; xr is a constant to it
//
// p and d are weights, 1 and 0.75 in the official configuration. PyTorch goes back through LPIPS and D twice, for `a` and for the
// loss. Here the graph is cut at xr: dnll/dxr and dg/dxr are computed once, give both norms (dW follows from dxr by the last
// convolution alone), and go on, mixed, through the autoencoder.

import { UifaceError } from "../engine/errors.js";
import type { Conv2d, Module } from "../engine/nn.js";
import { add, div, mul } from "../engine/ops/binary.js";
import { conv2d } from "../engine/ops/conv2d.js";
import { l1 } from "../engine/ops/loss.js";
import { mean, sum } from "../engine/ops/reduce.js";
import { affine, clamp, neg, relu, sqrt, square } from "../engine/ops/unary.js";
import type { Rng } from "../engine/random.js";
import { scope } from "../engine/scope.js";
import { backward, noGrad } from "../engine/tape.js";
import { show, type Tensor } from "../engine/tensor.js";
import type { Discriminator } from "./discriminator.js";
import type { Lpips } from "./lpips.js";
import type { Quantised, VqGan } from "./vqgan.js";

/** What judges the images besides their pixels; each is optional. */
export interface Critics {
  /** Frozen. */
  lpips?: Lpips | undefined;
  discriminator?: Discriminator | undefined;
}

export interface GeneratorOptions extends Critics {
  /** p */
  perceptualWeight?: number;
  /** d */
  discriminatorWeight?: number;
  /** Whether latents pass through the codebook. Default true. */
  quantise?: boolean;
  /** Lets LPIPS drop half of its differences (docs/quirks.md). */
  rng?: Rng | undefined;
}

/** Scalars have shape [1]; those of critics that are absent are absent. */
export interface GeneratorStep {
  loss: Tensor;
  nll: Tensor;
  /** mean |x - xr| */
  l1: Tensor;
  codebook?: Tensor;
  /** LPIPS of each image, (B, 1, 1, 1). */
  perceptual?: Tensor;
  g?: Tensor;
  /** a */
  weight?: Tensor;
  /** D(xr) */
  logits?: Tensor;
  /** xr */
  reconstruction: Tensor;
}

/** The gradient of the autoencoder's loss, accumulated in its parameters; the critics' get none. */
export function generatorStep(vqgan: VqGan, x: Tensor, options: GeneratorOptions = {}): GeneratorStep {
  const { lpips, discriminator, perceptualWeight = 1, discriminatorWeight = 0.75, rng, quantise = true } = options;
  return scope(() => {
    const { h, xr, quantised } = reconstruct(vqgan, x, quantise);
    const codebook = quantised?.codebookLoss;
    const withCodebook = (loss: Tensor) => (codebook ? add(loss, codebook) : loss);
    const terms = { reconstruction: xr, ...(codebook && { codebook }) };
    if (!discriminator) {
      const pixels = nllLoss(x, xr, lpips, perceptualWeight, rng);
      const loss = withCodebook(pixels.nll);
      backward(loss);
      return { ...terms, ...pixels, loss };
    }

    const { dx: dNll, ...pixels } = gradientBy(
      xr,
      (leaf) => nllLoss(x, leaf, lpips, perceptualWeight, rng),
      ({ nll }) => nll,
    );
    const { dx: dG, ...adversarial } = gradientBy(
      xr,
      (leaf) => adversarialLoss(discriminator, leaf),
      ({ g }) => g,
    );
    const last = vqgan.decoder.conv_out;
    const weight = adaptiveWeight(weightNorm(last, h, dNll), weightNorm(last, h, dG), discriminatorWeight);
    const dxr = add(dNll, mul(dG, weight));
    backward(withCodebook(sum(mul(xr, dxr)))); // the gradient of that product by xr is dxr
    const loss = withCodebook(add(pixels.nll, mul(adversarial.g, weight)));
    return { ...terms, ...pixels, ...adversarial, weight, loss };
  });
}

export interface DiscriminatorStep {
  /** hinge, [1] */
  d: Tensor;
  /** Logits, (B, 1, h, w). */
  real: Tensor;
  fake: Tensor;
}

/**
 * The gradient of the discriminator's loss, accumulated in its parameters. The images that it is to tell from x are made anew,
 * with the autoencoder's weights of now: the official order is generator, update, discriminator, update.
 */
export function discriminatorStep(
  vqgan: VqGan,
  discriminator: Discriminator,
  x: Tensor,
  { quantise = true } = {},
): DiscriminatorStep {
  return scope(() => {
    const { xr } = noGrad(() => reconstruct(vqgan, x, quantise));
    const real = discriminator.forward(x, true);
    const fake = discriminator.forward(xr, true);
    const d = hinge(real, fake);
    backward(d);
    return { d, real, fake };
  });
}

/** Where the discriminator is right by a margin of 1, it learns nothing more. */
export const hinge = (real: Tensor, fake: Tensor): Tensor =>
  scope(() => mul(add(mean(relu(affine(real, -1, 1))), mean(relu(affine(fake, 1, 1)))), 0.5));

/** a, from |dnll/dW| and |dg/dW|. */
const adaptiveWeight = (nllNorm: Tensor, gNorm: Tensor, d: number): Tensor =>
  scope(() => mul(clamp(div(nllNorm, affine(gNorm, 1, 1e-4)), 0, 1e4), d));

function nllLoss(x: Tensor, xr: Tensor, lpips: Lpips | undefined, p: number, rng: Rng | undefined) {
  const pixels = l1(xr, x);
  const perceptual = lpips?.forward(x, xr, rng);
  if (!perceptual) return { nll: pixels, l1: pixels };
  return { nll: add(pixels, mul(mean(perceptual), p)), l1: pixels, perceptual };
}

/** Gradients pass through the discriminator, not into it. */
function adversarialLoss(discriminator: Discriminator, xr: Tensor) {
  const logits = frozen(discriminator, () => discriminator.forward(xr, true));
  return { g: neg(mean(logits)), logits };
}

/** The decoder's last activations, and the image that its last convolution makes of them. */
function reconstruct(vqgan: VqGan, x: Tensor, quantise: boolean): { h: Tensor; xr: Tensor; quantised?: Quantised } {
  return scope(() => {
    const z = vqgan.encode(x);
    const quantised = quantise ? vqgan.quantise(z) : undefined;
    const h = vqgan.decoder.hidden(vqgan.post_quant_conv.forward(quantised?.zq ?? z));
    return { h, xr: vqgan.decoder.conv_out.forward(h), ...(quantised && { quantised }) };
  });
}

/** What `work` makes of x, and dx, the gradient by x of its scalar `y`; nothing that made x is gone through. */
function gradientBy<T extends object>(
  x: Tensor,
  work: (leaf: Tensor) => T,
  y: (made: T) => Tensor,
): T & { dx: Tensor } {
  return scope(() => {
    const leaf = x.detach();
    leaf.wantsGrad = true;
    const made = work(leaf);
    backward(y(made));
    return { ...made, dx: gradOf(leaf) };
  });
}

/** The length of the gradient by a layer's weight, if dy is the one by its result for h; [1]. The layer itself gets none. */
function weightNorm(layer: Conv2d, h: Tensor, dy: Tensor): Tensor {
  return scope(() => {
    const w = layer.weight.value.detach();
    w.wantsGrad = true;
    backward(conv2d(h.detach(), w, undefined, layer.options), dy);
    return sqrt(sum(square(gradOf(w))));
  });
}

/** A leaf's gradient, which from here on lives as long as the scope around. */
function gradOf(leaf: Tensor): Tensor {
  const { grad } = leaf;
  if (!grad) throw new UifaceError(`No gradient reached ${show(leaf)}: the loss does not depend on it.`);
  const held = grad.alias();
  grad.dispose();
  leaf.grad = undefined;
  return held;
}

/** Runs `work`, in which the parameters of `net` are constants. */
function frozen<T>(net: Module, work: () => T): T {
  const parameters = net.parameters().filter((p) => p.wantsGrad);
  for (const p of parameters) p.wantsGrad = false;
  try {
    return work();
  } finally {
    for (const p of parameters) p.wantsGrad = true;
  }
}
