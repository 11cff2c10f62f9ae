// The residual block of the UNet (paper, figure 3): two normalised 3x3 convolutions, the second normalisation scaled and shifted by
// the time.
//
//   y = shortcut(x) + conv2(SiLU((1 + scale) norm2(conv1(SiLU(norm1(x)))) + shift))        scale, shift: of tau (conditioning.ts)

import { Conv2d, constant, GroupNorm, Linear, Module } from "../engine/nn.js";
import type { Tensor } from "../engine/tensor.js";

/** What every residual block shares: channels of tau, groups of a normalisation. */
export interface Sizes {
  timeChannels: number;
  groups: number;
}

export class ResBlock extends Module {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly time_emb: { 1: Linear };
  readonly scale_emb: Linear;
  readonly shift_emb: Linear;
  readonly norm2: { norm: GroupNorm };
  readonly conv2: Conv2d;
  readonly shortcut: Conv2d | undefined;

  constructor(inputs: number, outputs: number, { timeChannels, groups }: Sizes) {
    super();
    this.norm1 = new GroupNorm(groups, inputs);
    this.conv1 = new Conv2d(inputs, outputs, 3, { padding: 1 });
    this.time_emb = { 1: new Linear(timeChannels, outputs) };
    this.scale_emb = new Linear(outputs, outputs);
    this.shift_emb = new Linear(outputs, outputs);
    this.norm2 = { norm: new GroupNorm(groups, outputs) };
    this.conv2 = new Conv2d(outputs, outputs, 3, { padding: 1, init: constant(0) });
    if (inputs !== outputs) this.shortcut = new Conv2d(inputs, outputs, 1);
  }

  /** x: (B, inputs, H, W), or with `skip` the first of its channels; modulation: scale, then shift, (B, 2 outputs) */
  forward(given: Tensor, modulation: Tensor, skip?: Tensor): Tensor {
    const { norm1 } = this;
    const silu = true;
    const { x, y } = skip ? norm1.pair(given, skip, { silu }) : { x: given, y: norm1.forward(given, { silu }) };
    const z = this.norm2.norm.forward(this.conv1.forward(y), { silu, modulation });
    return this.conv2.forward(z, this.shortcut?.forward(x) ?? x);
  }
}
