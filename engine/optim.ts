// Optimisers and the average of the weights, each one kernel run a bucket (flat.ts). The formulas are in the kernels'
// headers: shaders/adam.wgsl, sgd.wgsl, ema.wgsl.
//
//   const adam = new Adam(unet.parameters());
//   loss.backward();
//   adam.clipGradNorm(5);                  if wanted
//   adam.step({ lr: 1e-4 });
//   adam.zeroGrad();
//
// The learning rate is given at each step: schedules are pure functions of the step (schedules.ts). Nothing here reads back,
// but `check()`. An update whose gradients are not finite does not happen, nor does any after it, until check() throws.

import { UifaceError } from "./errors.js";
import { type Bucket, type Flat, flatten } from "./flat.js";
import type { HostTensor } from "./io/host.js";
import { recorder } from "./recorder.js";
import { keep } from "./scope.js";
import { kernel, perElement } from "./shader.js";
import { loadInto, type Part } from "./state.js";
import { copyElements, type Tensor, zeros } from "./tensor.js";

export { type Flat, flatten } from "./flat.js";

/** What the optimisers share: the flat parameters, the moments, the step count, saving. */
abstract class Optimizer implements Part {
  readonly flat: Flat;
  /** One buffer a bucket for each moment, by PyTorch's name of the moment. */
  protected readonly moments: Record<string, Tensor[]> = {};
  /** The number of updates, for `stateDict()`. */
  private readonly count: Tensor;
  private named: Map<string, Tensor> | undefined;

  protected constructor(parameters: Iterable<Tensor>, moments: readonly string[]) {
    this.flat = flatten(parameters);
    for (const name of moments) this.moments[name] = this.flat.like();
    this.count = keep(zeros([1], "u32"));
  }

  /** Updates made so far. */
  get updates(): number {
    return this.flat.updates;
  }

  /** One update of all parameters from their accumulated gradients; a parameter without one counts as having zero. */
  step({ lr }: { lr: number }): void {
    this.flat.update((bucket, index) => this.run(bucket, index, lr));
  }

  protected abstract run(bucket: Bucket, index: number, lr: number): void;

  /** Marks the gradients as used: the next backward starts new ones. */
  zeroGrad(): void {
    this.flat.zeroGrad();
  }

  /** The next update scales the gradients so that their norm is at most `maxNorm`. Returns the norm before, (1). */
  clipGradNorm(maxNorm: number): Tensor {
    return clipGradNorm(this.flat.parameters, maxNorm);
  }

  /** Reads back whether all updates happened; throws TrainingStopped if not, with the state that of the last good one. */
  check(): Promise<void> {
    return this.flat.check();
  }

  /** `exp_avg.<parameter>`, `exp_avg_sq.<parameter>` or `momentum_buffer.<parameter>`, and `step`. */
  stateDict(): Map<string, Tensor> {
    this.named ??= new Map(
      Object.entries(this.moments).flatMap(([name, buffers]) => [...this.flat.views(buffers, `${name}.`)]),
    );
    this.count.write([this.flat.updates]);
    return new Map([...this.named, ["step", this.count]]);
  }

  load(values: ReadonlyMap<string, HostTensor>): void {
    loadInto(this.stateDict(), values, `the ${this.constructor.name} state`);
    this.flat.updates = Number(values.get("step")!.data[0]);
  }

  /** Frees moments and gradients; the parameters stay. */
  dispose(): void {
    for (const buffer of Object.values(this.moments).flat()) buffer.dispose();
    for (const view of this.named?.values() ?? []) view.dispose();
    this.count.dispose();
    this.flat.dispose();
  }
}

export interface AdamOptions {
  /** Decay of the two moments. */
  betas?: readonly [number, number];
  eps?: number;
  /** Adam: L2, added to the gradient. AdamW: decoupled from it. */
  weightDecay?: number;
}

/** Adam with L2 weight decay: PyTorch's `torch.optim.Adam`. */
export class Adam extends Optimizer {
  protected readonly decoupled: boolean = false;
  private readonly options: Required<AdamOptions>;

  constructor(parameters: Iterable<Tensor>, { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 }: AdamOptions = {}) {
    super(parameters, ["exp_avg", "exp_avg_sq"]);
    this.options = { betas, eps, weightDecay };
  }

  protected run(bucket: Bucket, index: number, lr: number): void {
    const { betas, eps, weightDecay } = this.options;
    const [beta1, beta2] = betas;
    const t = this.updates; // counts this one
    const params = {
      n: bucket.weights.size,
      rate: lr / (1 - beta1 ** t),
      shrink: this.decoupled ? lr * weightDecay : 0,
      l2: this.decoupled ? 0 : weightDecay,
      gain1: 1 - beta1,
      beta2,
      gain2: 1 - beta2,
      root: 1 / Math.sqrt(1 - beta2 ** t),
      eps,
    };
    const [m, v] = [this.moments.exp_avg![index]!, this.moments.exp_avg_sq![index]!];
    const { weights: w, grads: dw } = bucket;
    kernel("adam").run({ w, m, v, dw, health: this.flat.health.state }, params, this.flat.launch(bucket));
  }
}

/** Adam with decoupled weight decay: PyTorch's `torch.optim.AdamW`, default decay 0.01. */
export class AdamW extends Adam {
  protected override readonly decoupled = true;

  constructor(parameters: Iterable<Tensor>, options: AdamOptions = {}) {
    super(parameters, { weightDecay: 0.01, ...options });
  }
}

export interface SGDOptions {
  momentum?: number;
  nesterov?: boolean;
  /** L2, added to the gradient. */
  weightDecay?: number;
}

/** Stochastic gradient descent: PyTorch's `torch.optim.SGD` (no dampening). */
export class SGD extends Optimizer {
  private readonly options: Required<SGDOptions>;

  constructor(parameters: Iterable<Tensor>, { momentum = 0, nesterov = false, weightDecay = 0 }: SGDOptions = {}) {
    super(parameters, ["momentum_buffer"]);
    this.options = { momentum, nesterov, weightDecay };
  }

  protected run(bucket: Bucket, index: number, lr: number): void {
    const { momentum, nesterov, weightDecay } = this.options;
    const { weights: w, grads: dw } = bucket;
    const { workgroups, constants } = this.flat.launch(bucket);
    const params = { n: w.size, lr, momentum, l2: weightDecay };
    const launch = { workgroups, constants: { ...constants, NESTEROV: nesterov } };
    kernel("sgd").run(
      { w, m: this.moments.momentum_buffer![index]!, dw, health: this.flat.health.state },
      params,
      launch,
    );
  }
}

/** Scales the gradients of the next update so that their common norm is at most `maxNorm`. Returns the norm before, (1). */
export function clipGradNorm(parameters: Iterable<Tensor>, maxNorm: number): Tensor {
  if (!(maxNorm > 0)) throw new UifaceError(`clipGradNorm: maxNorm is ${maxNorm}, but must be above 0.`);
  return flatten(parameters).measure(maxNorm);
}

/** An exponential moving average of parameters (not of buffers: those are the net's own). */
export class Ema implements Part {
  private readonly flat: Flat;
  private readonly averages: Tensor[];
  private named: Map<string, Tensor> | undefined;

  /** Starts as a copy of the parameters. */
  constructor(parameters: Iterable<Tensor>) {
    this.flat = flatten(parameters);
    this.averages = this.flat.like();
    this.update(0);
  }

  /** average = decay average + (1 - decay) weights; see emaDecay in schedules.ts. */
  update(decay: number): void {
    this.flat.refuseSwapped("an update");
    recorder?.refuse("the decay of an average", "Call ema.update() outside.");
    const { state: health } = this.flat.health;
    this.flat.buckets.forEach((bucket, i) => {
      const params = { n: bucket.weights.size, decay, gain: 1 - decay };
      kernel("ema").run({ average: this.averages[i]!, w: bucket.weights, health }, params, perElement(params.n));
    });
  }

  /** Exchanges averages and weights, without copying: once for a preview, once more to go on training. */
  swap(): void {
    const { flat } = this;
    flat.buckets.forEach((bucket, i) => {
      const weights = this.averages[i]!;
      this.averages[i] = bucket.weights;
      bucket.weights = weights;
      for (const { parameter, offset } of bucket.places) parameter.rebase(weights.storage, offset);
    });
    for (const view of this.named?.values() ?? []) view.dispose();
    this.named = undefined;
    flat.swapped = !flat.swapped;
  }

  /** Writes the averages into the parameters of another net of the same kind, in order. */
  copyTo(parameters: Iterable<Tensor>): void {
    const averages = [...this.stateDict().values()];
    const targets = [...new Set(parameters)];
    const misfit = targets.find(
      (p, i) => p.shape.join() !== averages[i]?.shape.join() || p.layout !== averages[i]?.layout,
    );
    if (misfit || targets.length !== averages.length) {
      throw new UifaceError(
        `copyTo: ${targets.length} parameters do not fit ${averages.length} averages${misfit ? ` (first: ${misfit.name})` : ""}.`,
      );
    }
    averages.forEach((x, i) => {
      copyElements(x, targets[i]!);
    });
  }

  /** The averages under the parameters' names: saved alone, they are the weights of a net. */
  stateDict(): Map<string, Tensor> {
    this.flat.refuseSwapped("saving");
    this.named ??= this.flat.views(this.averages);
    return this.named;
  }

  load(values: ReadonlyMap<string, HostTensor>): void {
    loadInto(this.stateDict(), values, "the averages");
  }

  dispose(): void {
    for (const buffer of [...this.averages, ...(this.named?.values() ?? [])]) buffer.dispose();
  }
}
