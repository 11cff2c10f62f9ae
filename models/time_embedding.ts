// How the UNet sees the time step: tau(t) = lin2(SiLU(lin1([cos(t f), sin(t f)]))).

import { Linear, Module } from "../engine/nn.js";
import { silu } from "../engine/ops/unary.js";
import { type Tensor, tensor } from "../engine/tensor.js";

/**
 * f_k = 10000^(-k / half), k = 0 .. half - 1 (Vaswani et al. 2017). Every step is rounded to float32 where PyTorch rounds:
 * at t = 999 that shows in the fifth digit of the sinusoids.
 */
export function frequencies(half: number): Float32Array {
  const slope = Math.fround(-Math.log(10_000));
  return Float32Array.from({ length: half }, (_, k) => Math.exp(Math.fround(Math.fround(slope * k) / half)));
}

/** cos(t f_k), then sin(t f_k): (B, 2 half). */
export function sinusoids(t: ArrayLike<number>, half: number): Float32Array {
  const out = new Float32Array(t.length * 2 * half);
  const f = frequencies(half);
  for (let b = 0; b < t.length; b++) {
    for (let k = 0; k < half; k++) {
      const angle = Math.fround(t[b]! * f[k]!);
      out[b * 2 * half + k] = Math.cos(angle);
      out[b * 2 * half + half + k] = Math.sin(angle);
    }
  }
  return out;
}

/** tau(t), (B, channels). */
export class TimeEmbedding extends Module {
  readonly lin1: Linear;
  readonly lin2: Linear;

  constructor(private readonly channels: number) {
    super();
    this.lin1 = new Linear(channels / 4, channels);
    this.lin2 = new Linear(channels, channels);
  }

  forward(t: ArrayLike<number>): Tensor {
    const e = tensor(() => sinusoids(t, this.channels / 8), [t.length, this.channels / 4]);
    return this.lin2.forward(silu(this.lin1.forward(e)));
  }
}
