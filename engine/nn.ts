// Layers, and the Module they share: a tree whose dotted names are PyTorch's state-dict keys.
//
//   class Head extends Module {
//     norm: GroupNorm;                              // keys norm.weight, norm.bias
//     time_emb: { 1: Linear };                      // keys time_emb.1.weight, ... (index 0 holds nothing in PyTorch)
//     ...
//   }
//
// Every property that holds a Parameter, a Module, or a list or record of them is a child; its name is its part of the key,
// and the order of declaration is PyTorch's order of registration. Building a tree makes shapes alone, no tensor:
// `init(seed)` or `load(file)` gives the values.

import { FileError, UifaceError } from "./errors.js";
import { type HostTensor, toFloat32 } from "./io/host.js";
import { batchNorm } from "./ops/batch_norm.js";
import { convTranspose2d } from "./ops/conv_transpose2d.js";
import { conv2d, type Padding } from "./ops/conv2d.js";
import { groupNorm } from "./ops/group_norm.js";
import { groupNormPair } from "./ops/group_norm_pair.js";
import { linear, linearChannels } from "./ops/linear.js";
import { prelu } from "./ops/prelu.js";
import { viewOf } from "./parts.js";
import { type Rng, random } from "./random.js";
import { keep } from "./scope.js";
import { empty, type Layout, layoutFor, type Shape, show, sizeOf, type Tensor } from "./tensor.js";

/** The first values of a parameter of this shape. */
export type Init = (rng: Rng, shape: Shape) => Float32Array;

export const constant =
  (value: number): Init =>
  (_rng, shape) =>
    new Float32Array(sizeOf(shape)).fill(value);

/** U(-bound, bound). */
export const uniform =
  (bound: number): Init =>
  (rng, shape) =>
    rng.uniforms(sizeOf(shape)).map((u) => (2 * u - 1) * bound);

export const normal =
  (std: number): Init =>
  (rng, shape) =>
    rng.normals(sizeOf(shape)).map((z) => z * std);

/** PyTorch's default of Linear and convolutions, kaiming-uniform with a = sqrt 5; biases take the fan-in of their weight. */
const fanIn = (weight: Shape): Init => uniform(1 / Math.sqrt(sizeOf(weight.slice(1))));

/** Kaiming-normal with the gain of ReLU over the fan-out of a weight (O, I, ...). */
export const kaimingFanOut: Init = (rng, shape) =>
  normal(Math.sqrt(2 / (shape[0]! * sizeOf(shape.slice(2)))))(rng, shape);

/** A tensor with a place in the state dict. `fixed` ones are saved and loaded but not trained; a `buffer` is no parameter. */
export class Parameter {
  /** Its key, once the module around it has named it. */
  name = "";
  /** What it is a part of: it then lies in memory behind the part before. */
  joint: Joint | undefined;
  #tensor: Tensor | undefined;
  #place: Tensor | undefined;

  constructor(
    readonly shape: Shape,
    readonly init: Init,
    readonly kind: "trained" | "fixed" | "buffer" = "trained",
  ) {}

  get hasValue(): boolean {
    return this.#tensor !== undefined;
  }

  get value(): Tensor {
    if (this.#tensor) return this.#tensor;
    throw new UifaceError(`The parameter ${this.name || "without a name"} ${show(this.shape)} has no values yet.
Call init(seed) or load(file) on the net first.`);
  }

  /** Takes values in PyTorch's order. The tensor stays the same from the first call on. */
  write(data: Float32Array): void {
    if (!this.#tensor) {
      if (!this.#place) this.joint?.lay();
      const fresh = this.#place ?? empty(this.shape, "f32", layoutFor(this.shape));
      fresh.name = this.name;
      this.#tensor = this.kind === "trained" ? fresh.requiresGrad() : keep(fresh);
      this.#place = undefined;
    }
    this.#tensor.write(data);
  }

  /** Where its first values will go: a joint's call. */
  lay(memory: Tensor, from: number): void {
    this.#place = keep(viewOf(memory, this.shape, layoutFor(this.shape), from));
  }

  /** Takes the values of a tensor of the same shape and layout, on the GPU. */
  copy(from: Tensor): void {
    const to = this.value;
    const { queue } = to.storage.device;
    queue.copy(from.storage.block.buffer, from.offset, to.storage.block.buffer, to.offset, 4 * to.size);
  }

  dispose(): void {
    this.#tensor?.grad?.dispose();
    for (const tensor of [this.#tensor, this.#place]) tensor?.dispose();
    this.#tensor = undefined;
    this.#place = undefined;
  }
}

/**
 * Parameters, (O1, ...), (O2, ...), .., that lie one behind the other from their first values on, so that a product takes them as
 * one of (O1 + O2 + .., ...) without a copy. Each keeps its name, and its part of the gradient. Made before the values.
 */
export class Joint {
  constructor(private readonly parts: readonly Parameter[]) {
    for (const part of parts) part.joint = this;
  }

  /** All parts: a leaf. */
  get value(): Tensor {
    const parts = this.parts.map((part) => part.value);
    const [first] = parts as [Tensor];
    const rows = parts.reduce((n, part) => n + part.dim(0), 0);
    const whole = viewOf(first, [rows, ...first.shape.slice(1)], first.layout, 0);
    return Object.assign(whole, { parts, wantsGrad: first.wantsGrad, name: `${first.name} and those behind it` });
  }

  lay(): void {
    const sizes = this.parts.map((part) => sizeOf(part.shape));
    const memory = empty([sizes.reduce((a, b) => a + b, 0)]);
    this.parts.forEach((part, i) => {
      part.lay(
        memory,
        sizes.slice(0, i).reduce((a, b) => a + b, 0),
      );
    });
    memory.dispose();
  }
}

/** Where weights come from: an open file, or a Map of host tensors. */
export interface Weights {
  readonly names: readonly string[];
  info(name: string): { shape: readonly number[]; dtype: string };
  read(name: string): HostTensor;
  /** For messages. */
  readonly path?: string;
}

export interface LoadOptions {
  /** Loads the part of the net whose keys match; keys of the file that belong to the rest are passed over. */
  only?: RegExp;
  /** Keys of the file, prefixes stripped, that may be there and are not wanted, besides those that never are. */
  ignore?: RegExp;
  /** Asked for when something does not fit: how the message calls the net, and the way out that it names. */
  explain?: () => { what: string; advice: string };
}

/** What trainers wrap around a net's keys: DDP, LightningLite, torch.compile-like wrappers, and the models that hold our nets. */
const prefixes = /^(?:_module|module|_forward_module|_original_module|eps_model|first_stage_model)\./;

/** The diffusion module's eight buffers (they are computed anew), and a counter of BatchNorm that nothing uses. */
export const neverWanted =
  /^(?:betas|alphas|sigmas|sqrt_alphas_inv|alpha_bars|sqrt_alpha_bars|sqrt_one_minus_alpha_bars|one_minus_alphas_over_sqrt_one_minus_alpha_bars)$|(?:^|\.)num_batches_tracked$/;

export abstract class Module {
  /** Every parameter and buffer under its key, in PyTorch's order: a module's own parameters, its buffers, its children. */
  entries(prefix = ""): [string, Parameter][] {
    const own: [string, Parameter][] = [];
    const children: [string, Parameter][] = [];
    for (const [key, child] of Object.entries(this)) {
      if (child instanceof Parameter) own.push([prefix + key, child]);
      else children.push(...below(prefix + key, child));
    }
    const isBuffer = ([, p]: [string, Parameter]) => p.kind === "buffer";
    const all = [...own.filter((entry) => !isBuffer(entry)), ...own.filter(isBuffer), ...children];
    if (!prefix) for (const [name, parameter] of all) parameter.name = name;
    return all;
  }

  /** The trained parameters. */
  parameters(): Tensor[] {
    return this.namedParameters().map(([, tensor]) => tensor);
  }

  namedParameters(): [string, Tensor][] {
    return this.entries()
      .filter(([, p]) => p.kind === "trained")
      .map(([name, p]) => [name, p.value]);
  }

  /** Parameters and buffers, as files hold them. */
  stateDict(): Map<string, Tensor> {
    return new Map(this.entries().map(([name, p]) => [name, p.value]));
  }

  /** How many numbers the parameters hold; buffers are not counted. */
  get parameterCount(): number {
    return this.entries().reduce((n, [, p]) => n + (p.kind === "buffer" ? 0 : sizeOf(p.shape)), 0);
  }

  /** First values for a training run: a pure function of the seed and each parameter's name. */
  init(seed: number): this {
    for (const [name, p] of this.entries()) p.write(p.init(random(seed, "init", name), p.shape));
    return this;
  }

  /**
   * Takes weights from files. Every key of the net must be there with its exact shape and every key of the files must be
   * known; otherwise nothing is loaded and the error names all that do not fit.
   */
  load(from: Weights | ReadonlyMap<string, HostTensor> | readonly Weights[], options: LoadOptions = {}): this {
    const plan = matched(this, weightsOf(from), options);
    for (const { parameter, read } of plan) parameter.write(toFloat32(read().data));
    return this;
  }

  /** No gradient will reach this net's parameters. */
  freeze(): this {
    for (const [, p] of this.entries()) if (p.hasValue) p.value.wantsGrad = false;
    return this;
  }

  dispose(): void {
    for (const [, p] of this.entries()) p.dispose();
  }
}

function below(path: string, child: unknown): [string, Parameter][] {
  if (child instanceof Parameter) return [[path, child]];
  if (child instanceof Module) return child.entries(`${path}.`);
  if (typeof child !== "object" || child === null) return [];
  return Object.entries(child).flatMap(([key, value]) => below(`${path}.${key}`, value));
}

function weightsOf(from: Weights | ReadonlyMap<string, HostTensor> | readonly Weights[]): readonly Weights[] {
  if (!(from instanceof Map)) return Array.isArray(from) ? from : [from as Weights];
  const get = (name: string): HostTensor => from.get(name)!;
  return [{ names: [...from.keys()], info: get, read: get }];
}

export interface Match {
  parameter: Parameter;
  read: () => HostTensor;
}

/** Pairs every wanted key with its tensor in the files, or throws one error about all that do not fit. */
export function matched(net: Module, files: readonly Weights[], options: LoadOptions): Match[] {
  const { only, ignore, explain } = options;
  const wanted = new Map(net.entries().filter(([name]) => only?.test(name) ?? true));
  const rest = new Set(net.entries().map(([name]) => name));
  const matches = new Map<string, Match>();
  const wrong: string[] = [];
  const unknown: string[] = [];
  for (const file of files) {
    for (const key of file.names) {
      const name = stripped(key);
      const parameter = wanted.get(name);
      const { shape, dtype } = file.info(key);
      if (!parameter) {
        if (!rest.has(name) && !neverWanted.test(name) && !ignore?.test(name)) unknown.push(`${name} ${show(shape)}`);
      } else if (matches.has(name)) wrong.push(`${name} is there twice`);
      else {
        matches.set(name, { parameter, read: () => file.read(key) });
        const fits = shape.length === parameter.shape.length && shape.every((n, i) => n === parameter.shape[i]);
        if (!fits) wrong.push(`${name} is ${show(shape)}, not ${show(parameter.shape)}`);
        else if (!/^b?f\d/.test(dtype)) wrong.push(`${name} is ${dtype}, not a float`);
      }
    }
  }
  const missing = [...wanted].filter(([name]) => !matches.has(name)).map(([name, p]) => `${name} ${show(p.shape)}`);
  if (!missing.length && !unknown.length && !wrong.length) return [...matches.values()];
  const paths = files.map((f) => f.path ?? "The state dict").join(" and ");
  const counts = [are(missing, "missing"), are(unknown, "not known"), are(wrong, "wrong")].join("");
  const lists = listed("missing", missing) + listed("unknown", unknown) + listed("wrong  ", wrong);
  const { what, advice } = explain?.() ?? {
    what: net.constructor.name,
    advice: "Give the file of this net, or build the net of this file.",
  };
  throw new FileError(
    `${paths} does not fit ${what}: ${matches.size - wrong.length} of ${wanted.size} tensors match${counts}.${lists}\n${advice} Nothing was loaded.`,
  );
}

const are = (names: readonly string[], what: string): string =>
  names.length ? `, ${names.length} ${names.length === 1 ? "is" : "are"} ${what}` : "";

function stripped(key: string): string {
  let name = key;
  while (prefixes.test(name)) name = name.replace(prefixes, "");
  return name;
}

/** At most eight names: an error about a different net would fill the screen otherwise. */
function listed(kind: string, names: readonly string[]): string {
  if (!names.length) return "";
  const more = names.length > 8 ? `, and ${names.length - 8} more` : "";
  return `\n  ${kind}  ${names.slice(0, 8).join(", ")}${more}`;
}

export interface LayerOptions {
  /** Default true. "default": with PyTorch's first values although `init` is given. */
  bias?: boolean | "default";
  /** First values of the weight; biases follow PyTorch's default, or are zero where this is given. */
  init?: Init;
}

/** A weight with its bias, if it has one. */
abstract class Weighted extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(shape: Shape, biasSize: number, { bias = true, init }: LayerOptions) {
    super();
    this.weight = new Parameter(shape, init ?? fanIn(shape));
    if (bias) this.bias = new Parameter([biasSize], init && bias !== "default" ? constant(0) : fanIn(shape));
  }
}

/** y = x w^T + b on the last dimension. */
export class Linear extends Weighted {
  constructor(inputs: number, outputs: number, options: LayerOptions = {}) {
    super([outputs, inputs], outputs, options);
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight.value, this.bias?.value);
  }
}

/** (B, I, H, W) -> (B, O, H', W'). One number is a square kernel; one of 1 without a stride is a matrix product over the channels. */
export class Conv2d extends Weighted {
  readonly options: { stride: number; padding: Padding };

  constructor(
    inputs: number,
    outputs: number,
    kernel: number | readonly [height: number, width: number],
    options: LayerOptions & { stride?: number; padding?: Padding } = {},
  ) {
    super([outputs, inputs, ...(typeof kernel === "number" ? [kernel, kernel] : kernel)], outputs, options);
    const { stride = 1, padding = 0 } = options;
    this.options = { stride, padding };
  }

  /** `plus`, of the result's shape, is added: a residual. */
  forward(x: Tensor, plus?: Tensor): Tensor {
    return conv2d(x, this.weight.value, this.bias?.value, { ...this.options, plus });
  }
}

/** The same layer at every position: a convolution of kernel 1 over (B, C, L), weight (O, I, 1). */
export class Conv1d extends Weighted {
  constructor(inputs: number, outputs: number, options: LayerOptions = {}) {
    super([outputs, inputs, 1], outputs, options);
  }

  forward(x: Tensor, plus?: Tensor): Tensor {
    return linearChannels(x, this.weight.value, this.bias?.value, plus);
  }
}

/** The weights and biases of layers that work as one. */
export interface Joined {
  weight: Joint;
  bias: Joint;
}

export const joined = (layers: readonly (Linear | Conv1d | GroupNorm)[]): Joined => ({
  weight: new Joint(layers.map((layer) => layer.weight)),
  bias: new Joint(layers.map((layer) => layer.bias!)),
});

/** The weight is (I, O, k, k), as PyTorch has it; so is its fan-in O k k. */
export class ConvTranspose2d extends Weighted {
  private readonly options: { stride: number; padding: number };

  constructor(
    inputs: number,
    outputs: number,
    kernel: number,
    options: LayerOptions & { stride: number; padding: number },
  ) {
    super([inputs, outputs, kernel, kernel], outputs, options);
    this.options = { stride: options.stride, padding: options.padding };
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight.value, this.bias?.value, this.options);
  }
}

export class GroupNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    readonly groups: number,
    channels: number,
    readonly eps = 1e-5,
  ) {
    super();
    this.weight = new Parameter([channels], constant(1));
    this.bias = new Parameter([channels], constant(0));
  }

  /** act((1 + scale) gn(x) + shift): `modulation` is scale and shift, (B, 2 C), act is SiLU or nothing. */
  forward(x: Tensor, fused: { silu?: boolean; modulation?: Tensor; layout?: Layout } = {}): Tensor {
    return groupNorm(x, this.groups, this.weight.value, this.bias.value, { eps: this.eps, ...fused });
  }

  /** y = act(gn(x)) of a and b joined in their channels, and x. */
  pair(a: Tensor, b: Tensor, fused: { silu?: boolean } = {}): { x: Tensor; y: Tensor } {
    return groupNormPair([a, b], this.groups, this.weight.value, this.bias.value, { eps: this.eps, ...fused });
  }
}

/** For (B, C) and (B, C, H, W). `affine: "bias"` has a weight that stays 1; `init` gives the first ones of a trained weight. */
export class BatchNorm extends Module {
  readonly weight: Parameter | undefined;
  readonly bias: Parameter | undefined;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;
  readonly eps: number;

  constructor(channels: number, affine: boolean | "bias" = true, { eps = 1e-5, init = constant(1) } = {}) {
    super();
    this.eps = eps;
    if (affine) this.weight = new Parameter([channels], init, affine === "bias" ? "fixed" : "trained");
    if (affine) this.bias = new Parameter([channels], constant(0));
    this.running_mean = new Parameter([channels], constant(0), "buffer");
    this.running_var = new Parameter([channels], constant(1), "buffer");
  }

  /** `training`: the batch's own statistics, which also move the running ones (momentum 0.1). */
  forward(x: Tensor, training: boolean): Tensor {
    const affine = { ...(this.weight && { weight: this.weight.value }), ...(this.bias && { bias: this.bias.value }) };
    const running = { runningMean: this.running_mean.value, runningVar: this.running_var.value };
    return batchNorm(x, { ...affine, ...running, training, eps: this.eps });
  }
}

/** One slope a channel. */
export class PReLU extends Module {
  readonly weight: Parameter;

  constructor(channels: number) {
    super();
    this.weight = new Parameter([channels], constant(0.25));
  }

  forward(x: Tensor): Tensor {
    return prelu(x, this.weight.value);
  }
}

/** A table of vectors, (N, D). */
export class Embedding extends Module {
  readonly weight: Parameter;

  constructor(count: number, size: number, init: Init = normal(1)) {
    super();
    this.weight = new Parameter([count, size], init);
  }
}
