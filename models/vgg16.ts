// The convolutions of VGG16 (Simonyan & Zisserman 2015, configuration D), cut where LPIPS looks at them (models/lpips.ts).
//
//   slice 1..5    [max-pool 2x2]  (conv 3x3, ReLU) twice, in slices 3 to 5 three times       after relu1_2, 2_2, 3_3, 4_3, 5_3
//
// A convolution keeps the number that it has in torchvision's `features`, and lies, as in LPIPS, in the slice it belongs to:
// features.5.weight is slice2.5.weight. 14,714,688 parameters; the classifier is not here.

import { Conv2d, kaimingFanOut, Module } from "../engine/nn.js";
import { maxPool2d } from "../engine/ops/pool.js";
import { relu } from "../engine/ops/unary.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

/** Channels and convolutions of every slice. */
const plan = [
  { width: 64, convs: 2 },
  { width: 128, convs: 2 },
  { width: 256, convs: 3 },
  { width: 512, convs: 3 },
  { width: 512, convs: 3 },
] as const;

/** Channels of the five results. */
export const vggWidths = plan.map(({ width }) => width);

/** The smallest side whose last slice has a pixel. */
export const VGG_MIN_SIDE = 16;

/** By torchvision's number. */
type Slice = Record<number, Conv2d>;

/** torchvision's numbers count every layer: a ReLU after each convolution, a pool before every slice but the first. */
function slices(): Slice[] {
  let inputs = 3;
  let layer = 0;
  return plan.map(({ width, convs }, i) => {
    if (i) layer++;
    const slice: Slice = {};
    for (let n = 0; n < convs; n++, layer += 2) {
      slice[layer] = new Conv2d(inputs, width, 3, { padding: 1, init: kaimingFanOut });
      inputs = width;
    }
    return slice;
  });
}

export class Vgg16 extends Module {
  readonly slice1: Slice;
  readonly slice2: Slice;
  readonly slice3: Slice;
  readonly slice4: Slice;
  readonly slice5: Slice;

  constructor() {
    super();
    const made = slices() as [Slice, Slice, Slice, Slice, Slice];
    [this.slice1, this.slice2, this.slice3, this.slice4, this.slice5] = made;
  }

  /** The name under which this net holds torchvision's convolution `layer` of `features`, or undefined. */
  sliceOf(layer: number): string | undefined {
    return Object.entries(this).find(([, slice]) => layer in (slice as Slice))?.[0];
  }

  /** (B, 3, H, W), normalised as the weights want it, to the five results, (B, C, H / 2^i, W / 2^i). */
  forward(x: Tensor): Tensor[] {
    return scope(() => {
      const results: Tensor[] = [];
      for (const slice of [this.slice1, this.slice2, this.slice3, this.slice4, this.slice5]) {
        const before = results.at(-1);
        const after = scope(() => {
          let h = before ? maxPool2d(before, { kernel: 2, stride: 2 }) : x;
          for (const conv of Object.values(slice)) h = scope(() => relu(conv.forward(h)));
          return h;
        });
        results.push(after);
      }
      return results;
    });
  }
}
