// Float64 twins of the update kernels, on plain arrays; formulas as in the kernels' headers.

export interface AdamTwin {
  w: Float64Array;
  m: Float64Array;
  v: Float64Array;
}

export interface AdamSettings {
  lr: number;
  betas: readonly [number, number];
  eps: number;
  weightDecay: number;
  decoupled: boolean;
}

/** Update number t (from 1) of Adam or, decoupled, AdamW, in place. */
export function adam({ w, m, v }: AdamTwin, dw: ArrayLike<number>, t: number, s: AdamSettings): void {
  const [beta1, beta2] = s.betas;
  for (let i = 0; i < w.length; i++) {
    const g = dw[i]! + (s.decoupled ? 0 : s.weightDecay * w[i]!);
    m[i] = beta1 * m[i]! + (1 - beta1) * g;
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
    const mean = m[i]! / (1 - beta1 ** t);
    const square = v[i]! / (1 - beta2 ** t);
    w[i] = w[i]! * (s.decoupled ? 1 - s.lr * s.weightDecay : 1) - (s.lr * mean) / (Math.sqrt(square) + s.eps);
  }
}

export interface SGDSettings {
  lr: number;
  momentum: number;
  nesterov: boolean;
  weightDecay: number;
}

/** One update of SGD, in place. */
export function sgd(w: Float64Array, m: Float64Array, dw: ArrayLike<number>, s: SGDSettings): void {
  for (let i = 0; i < w.length; i++) {
    const g = dw[i]! + s.weightDecay * w[i]!;
    m[i] = s.momentum * m[i]! + g;
    w[i] = w[i]! - s.lr * (s.nesterov ? g + s.momentum * m[i]! : m[i]!);
  }
}

/** One update of a moving average, in place. */
export function ema(average: Float64Array, w: ArrayLike<number>, decay: number): void {
  for (let i = 0; i < average.length; i++) average[i] = decay * average[i]! + (1 - decay) * w[i]!;
}

/** L2 norm of several arrays together. */
export const gradNorm = (grads: readonly ArrayLike<number>[]): number =>
  Math.sqrt(grads.reduce((sum, g) => sum + Array.from(g).reduce((s, x) => s + x * x, 0), 0));
