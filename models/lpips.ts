// LPIPS v0.1 with VGG16: how different two images look (Zhang et al. 2018, eq. 1).
//
//   f_l  = the l-th result of VGG16 of (x - shift) / scale, divided by its length over the channels, pixel by pixel
//   d    = sum over l of the mean over the pixels of  w_l . (f_l(a) - f_l(b))^2                          w_l >= 0
//
// Images are (B, 3, H, W) in [-1, 1]. The mean is taken before the product with w_l, which it commutes with. The official length
// is |f| + 1e-10; here it is max(|f|, 1e-10): equal in float32 but for |f| < 1e-3, which features after a ReLU reach only as 0.
//
// The state dict has LPIPS's names. Its weights come in two files: torchvision's VGG16 and the five w_l (`lpipsWeights`).

import { Conv2d, type Init, type LoadOptions, Module, uniform, type Weights } from "../engine/nn.js";
import { add, div, sub } from "../engine/ops/binary.js";
import { dropout } from "../engine/ops/dropout.js";
import { l2Normalize } from "../engine/ops/l2_normalize.js";
import { mean } from "../engine/ops/reduce.js";
import { square } from "../engine/ops/unary.js";
import type { Rng } from "../engine/random.js";
import { keep, scope } from "../engine/scope.js";
import { type Tensor, tensor } from "../engine/tensor.js";
import { Vgg16, vggWidths } from "./vgg16.js";

/** Takes [-1, 1] to the mean and deviation of ImageNet's colours. */
const SHIFT = [-0.03, -0.088, -0.188];
const SCALE = [0.458, 0.448, 0.45];

/** Before each w_l while training; LPIPS's own. */
const DROPOUT = 0.5;

/** PyTorch's default, without the sign: LPIPS keeps its weights from going below zero. */
const positive: Init = (rng, shape) => uniform(1 / Math.sqrt(shape[1]!))(rng, shape).map(Math.abs);

/** One w_l, (1, C, 1, 1); index 0 is the dropout. */
interface Lin {
  model: { 1: Conv2d };
}

const lin = (l: number): Lin => ({ model: { 1: new Conv2d(vggWidths[l]!, 1, 1, { bias: false, init: positive }) } });

export class Lpips extends Module {
  readonly net = new Vgg16();
  readonly lin0 = lin(0);
  readonly lin1 = lin(1);
  readonly lin2 = lin(2);
  readonly lin3 = lin(3);
  readonly lin4 = lin(4);
  #colours: { shift: Tensor; scale: Tensor } | undefined;

  /** d of each pair, (B, 1, 1, 1). With an rng the differences pass dropout, as in training (docs/quirks.md). */
  forward(a: Tensor, b: Tensor, rng?: Rng): Tensor {
    return scope(() => this.layers(this.features(a), this.features(b), rng).reduce((sum, d) => add(sum, d)));
  }

  /** The five f_l, (B, C, H / 2^l, W / 2^l): computed once, an image can be compared with many. */
  features(x: Tensor): Tensor[] {
    return scope(() => {
      const { shift, scale } = this.colours();
      return this.net.forward(div(sub(x, shift), scale)).map((f) => l2Normalize(f, 1, 1e-10));
    });
  }

  /** The five terms of d, each (B, 1, 1, 1), of what `features` gave for two batches. */
  layers(a: readonly Tensor[], b: readonly Tensor[], rng?: Rng): Tensor[] {
    return [this.lin0, this.lin1, this.lin2, this.lin3, this.lin4].map(({ model }, l) =>
      scope(() => {
        const difference = square(sub(a[l]!, b[l]!));
        return model[1].forward(mean(rng ? dropout(difference, DROPOUT, rng) : difference, [2, 3], true));
      }),
    );
  }

  /** Takes the files of `lpipsWeights`. */
  override load(from: readonly Weights[], options: LoadOptions = {}): this {
    return super.load(lpipsWeights(this.net, from), { ignore: NOT_WANTED, ...options });
  }

  override dispose(): void {
    super.dispose();
    for (const x of Object.values(this.#colours ?? {})) x.dispose();
    this.#colours = undefined;
  }

  private colours(): { shift: Tensor; scale: Tensor } {
    this.#colours ??= { shift: keep(tensor(SHIFT, [1, 3, 1, 1])), scale: keep(tensor(SCALE, [1, 3, 1, 1])) };
    return this.#colours;
  }
}

/** VGG16's classifier, LPIPS's second name for its w_l, and its two constants. */
const NOT_WANTED = /^(?:classifier|lins|scaling_layer)\./;

/** `files` under LPIPS's names: "features.5.bias" of torchvision's VGG16 becomes "net.slice2.5.bias". */
function lpipsWeights(net: Vgg16, files: readonly Weights[]): Weights[] {
  const renamed = (key: string): string => {
    const [, layer, part] = /^features\.(\d+)\.(weight|bias)$/.exec(key) ?? [];
    const slice = layer && net.sliceOf(Number(layer));
    return slice ? `net.${slice}.${layer}.${part}` : key;
  };
  return files.map((file) => {
    const keys = new Map(file.names.map((key) => [renamed(key), key]));
    const of = (name: string): string => keys.get(name)!;
    return {
      ...(file.path !== undefined && { path: file.path }),
      names: [...keys.keys()],
      info: (name) => file.info(of(name)),
      read: (name) => file.read(of(name)),
    };
  });
}
