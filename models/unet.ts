// The UNet that predicts the noise in a latent, given the time step and an identity's context (paper, section 3.2; the layers
// are those of IDiff-Face with a learned empty context).
//
//   eps = final(SiLU(norm(up(middle(down(image_proj(x)))))))        every block also sees tau(t), attention also the context
//
// A skip is the output of image_proj and of every module on the way down; each block on the way up takes one back.

import { Conv2d, ConvTranspose2d, constant, GroupNorm, Linear, Module, normal, Parameter } from "../engine/nn.js";
import { add } from "../engine/ops/binary.js";
import { dropout } from "../engine/ops/dropout.js";
import { selectRows } from "../engine/ops/select.js";
import { silu } from "../engine/ops/unary.js";
import type { Rng } from "../engine/random.js";
import { recompute } from "../engine/recompute.js";
import { scope } from "../engine/scope.js";
import { type Tensor, tensor, zeros } from "../engine/tensor.js";
import { AttentionBlock, type AttentionOptions, type AttentionResult, heatmap, type Source } from "./attention.js";
import { Conditioning, type Seen } from "./conditioning.js";
import { ResBlock, type Sizes } from "./res_block.js";
import { TimeEmbedding } from "./time_embedding.js";
import { noiseFromVelocity } from "./velocity.js";

/** The official configuration, with its names. */
export interface UNetConfig {
  input_channels: number;
  initial_channels: number;
  /** Each multiplies the width of the level before. */
  channel_multipliers: readonly number[];
  /** One for each level. */
  is_attention: readonly boolean[];
  /** -1: as many as attention_head_channels allows. */
  attention_heads: number;
  attention_head_channels: number;
  n_blocks_per_resolution: number;
  /** Of every GroupNorm; 32 unless said. A group of one channel loses the mean and the scale of it, so small nets take fewer. */
  norm_groups?: number;
  /** What the last convolution gives: the noise unless said, or v (velocity.ts). `forward` returns the noise either way. */
  predicts?: "noise" | "v";
  context_input_channels: number;
  context_channels: number;
  /** False (IDiff-Face): the empty context is zeros and no parameter. */
  learn_empty_context: boolean;
  /** Of single elements of the projected context, in training. */
  context_dropout_probability: number;
  /** Of whole rows that get the empty context, in training. */
  unconditioned_probability: number;
}

export interface UNetOptions {
  /** With it the context is dropped out as in training; without it the net evaluates. */
  rng?: Rng;
  /** Training: row 0 always gets the empty context, as in the official code. Default true. */
  maskFirstSample?: boolean;
  /** One a row; rows with 0 or false get the empty context. */
  conditionFlag?: ArrayLike<number | boolean>;
  /** Attention of another pass, its raw logits by map index (the official form). */
  selfMaps?: readonly (Tensor | undefined)[];
  crossMaps?: readonly (Tensor | undefined)[];
  /** Attention of other rows of this batch: row r takes the part of row rows[r] (rows[r] = r changes nothing). */
  selfRows?: ArrayLike<number>;
  crossRows?: ArrayLike<number>;
  /** Return the raw logits. */
  maps?: boolean;
  /** Return the summary of the cross-attention. */
  heat?: boolean;
  /** Training: keep of every block its input alone, and run it again on the way back. */
  recompute?: boolean;
}

export interface UNetResult {
  eps: Tensor;
  /** By map index: one for each block down, the middle, and each block up; undefined for blocks without attention. */
  selfMaps: (Tensor | undefined)[];
  crossMaps: (Tensor | undefined)[];
  /** (B, 32, 32) in 0..1. */
  heat?: Tensor;
}

/** A block on the way down or up. */
class Block extends Module {
  readonly res: ResBlock;
  readonly attn: AttentionBlock | undefined;

  constructor(inputs: number, outputs: number, sizes: Sizes, attn: AttentionBlock | undefined) {
    super();
    this.res = new ResBlock(inputs, outputs, sizes);
    this.attn = attn;
  }

  /** Its part of what all blocks see. */
  sees({ modulations, keys }: Seen): Tensor[] {
    return [modulations.get(this.res)!, ...(this.attn ? [keys.get(this.attn)!] : [])];
  }

  forward(x: Tensor, [modulation, kv]: readonly Tensor[], attention: AttentionOptions, skip?: Tensor): AttentionResult {
    const y = this.res.forward(x, modulation!, skip);
    return this.attn?.forward(y, kv!, attention) ?? { y };
  }
}

class Middle extends Module {
  readonly res1: ResBlock;
  readonly attn: AttentionBlock;
  readonly res2: ResBlock;

  constructor(channels: number, sizes: Sizes, attn: AttentionBlock) {
    super();
    this.res1 = new ResBlock(channels, channels, sizes);
    this.attn = attn;
    this.res2 = new ResBlock(channels, channels, sizes);
  }

  sees({ modulations, keys }: Seen): Tensor[] {
    return [modulations.get(this.res1)!, keys.get(this.attn)!, modulations.get(this.res2)!];
  }

  forward(x: Tensor, [first, kv, second]: readonly Tensor[], attention: AttentionOptions): AttentionResult {
    const attended = this.attn.forward(this.res1.forward(x, first!), kv!, attention);
    return { ...attended, y: this.res2.forward(attended.y, second!) };
  }
}

class Downsample extends Module {
  readonly conv: Conv2d;

  constructor(channels: number) {
    super();
    this.conv = new Conv2d(channels, channels, 3, { stride: 2, padding: 1 });
  }
}

class Upsample extends Module {
  readonly conv: ConvTranspose2d;

  constructor(channels: number) {
    super();
    this.conv = new ConvTranspose2d(channels, channels, 4, { stride: 2, padding: 1 });
  }
}

export class UNet extends Module {
  readonly empty_context_embedding: Parameter | undefined;
  readonly image_proj: Conv2d;
  readonly time_emb: TimeEmbedding;
  readonly context_emb: Linear;
  readonly down: (Block | Downsample)[] = [];
  readonly middle: Middle;
  readonly up: (Block | Upsample)[] = [];
  readonly norm: GroupNorm;
  readonly final: Conv2d;
  readonly #conditioning: Conditioning;

  constructor(readonly config: UNetConfig) {
    super();
    const { input_channels, initial_channels, channel_multipliers, n_blocks_per_resolution: blocks } = config;
    const { context_channels, attention_heads, attention_head_channels } = config;
    const { norm_groups: groups = 32 } = config;
    const timeChannels = 4 * initial_channels;
    const sizes = { timeChannels, groups };
    const attention = (channels: number): AttentionBlock => {
      const heads = attention_heads > 0 ? attention_heads : channels / attention_head_channels;
      return new AttentionBlock(channels, heads, context_channels, groups);
    };
    const block = (inputs: number, outputs: number, level: number): Block =>
      new Block(inputs, outputs, sizes, config.is_attention[level] ? attention(outputs) : undefined);

    if (config.learn_empty_context) this.empty_context_embedding = new Parameter([context_channels], normal(1));
    this.image_proj = new Conv2d(input_channels, initial_channels, 3, { padding: 1 });
    this.time_emb = new TimeEmbedding(timeChannels);
    this.context_emb = new Linear(config.context_input_channels, context_channels);

    let width = initial_channels;
    const skips = [width];
    channel_multipliers.forEach((multiplier, level) => {
      for (let n = 0; n < blocks; n++) {
        const outputs = n === 0 ? width * multiplier : width;
        this.down.push(block(width, outputs, level));
        width = outputs;
        skips.push(width);
      }
      if (level === channel_multipliers.length - 1) return;
      this.down.push(new Downsample(width));
      skips.push(width);
    });
    this.middle = new Middle(width, sizes, attention(width));
    for (let level = channel_multipliers.length - 1; level >= 0; level--) {
      for (let n = 0; n <= blocks; n++) {
        const outputs = n === blocks ? width / channel_multipliers[level]! : width;
        this.up.push(block(width + skips.pop()!, outputs, level));
        width = outputs;
      }
      if (level > 0) this.up.push(new Upsample(width));
    }
    this.norm = new GroupNorm(groups, width);
    this.final = new Conv2d(width, input_channels, 3, { padding: 1, init: constant(0) });
    const all = [...this.down, ...this.up].filter((module) => module instanceof Block);
    const { res1, attn, res2 } = this.middle;
    this.#conditioning = new Conditioning(
      [...all.map((block) => block.res), res1, res2],
      [...all.flatMap((block) => block.attn ?? []), attn],
    );
  }

  /**
   * The predicted noise.
   *
   * @param x         (B, input_channels, H, W), the noisy latent
   * @param t         its step 0..999, one for each row or one for all
   * @param context   (B, context_input_channels), L2-normalised; null: the empty context for every row
   * @returns         x's shape
   */
  forward(x: Tensor, t: ArrayLike<number> | number, context: Tensor | null, options: UNetOptions = {}): Tensor {
    return this.run(x, t, context, options).eps;
  }

  /** forward, with the maps that the options ask for. */
  run(x: Tensor, t: ArrayLike<number> | number, context: Tensor | null, options: UNetOptions = {}): UNetResult {
    return scope(() => {
      const B = x.dim(0);
      const steps = typeof t === "number" ? new Array<number>(B).fill(t) : t;
      const siluTau = scope(() => silu(this.time_emb.forward(steps)));
      const projected = scope(() => this.project(B, context, options));
      const pass = new Pass(this.#conditioning.see(siluTau, projected), options);

      let h = this.image_proj.forward(x);
      const skips = [h];
      for (const module of this.down) {
        h = module instanceof Block ? pass.through(module, h) : module.conv.forward(h);
        skips.push(h);
      }
      h = pass.through(this.middle, h);
      for (const module of this.up) {
        const below = h;
        h = module instanceof Block ? pass.through(module, below, skips.pop()) : module.conv.forward(below);
        below.dispose();
      }
      const out = scope(() => this.final.forward(this.norm.forward(h, { silu: true })));
      const eps = this.config.predicts === "v" ? noiseFromVelocity(out, x, steps) : out;
      const { selfMaps, crossMaps, heats } = pass;
      return { eps, selfMaps, crossMaps, ...(options.heat && { heat: scope(() => heatmap(heats)) }) };
    });
  }

  /** The context each row attends to, (B, context_channels). */
  private project(B: number, context: Tensor | null, options: UNetOptions): Tensor {
    const blank = () => zeros([B, this.config.context_channels]);
    const empty = () => (this.empty_context_embedding ? add(blank(), this.empty_context_embedding.value) : blank());
    if (!context) return empty();
    let c = this.context_emb.forward(context);
    const { rng, maskFirstSample = true, conditionFlag } = options;
    const { context_dropout_probability, unconditioned_probability } = this.config;
    if (rng && context_dropout_probability > 0) c = dropout(c, context_dropout_probability, rng);
    if (rng && unconditioned_probability > 0) {
      const unconditioned = tensor(
        () => Uint32Array.from(rng.bernoulli(unconditioned_probability, B), (v, b) => (maskFirstSample && !b ? 1 : v)),
        [B],
        "u32",
      );
      c = selectRows(unconditioned, empty(), c);
    }
    return conditionFlag ? selectRows(rows(conditionFlag), c, empty()) : c;
  }
}

/** One pass over the blocks: shows each its part of time, context and injected attention; collects what they return. */
class Pass {
  readonly selfMaps: (Tensor | undefined)[] = [];
  readonly crossMaps: (Tensor | undefined)[] = [];
  readonly heats: Tensor[] = [];
  private readonly selfRows: Tensor | undefined;
  private readonly crossRows: Tensor | undefined;

  constructor(
    private readonly seen: Seen,
    private readonly options: UNetOptions,
  ) {
    this.selfRows = options.selfRows && rows(options.selfRows);
    this.crossRows = options.crossRows && rows(options.crossRows);
  }

  /** The block's output; `skip` is joined to x first, and used up. */
  through(block: Block | Middle, x: Tensor, skip?: Tensor): Tensor {
    const sees = block.sees(this.seen);
    const { maps = false, heat = false, selfMaps, crossMaps } = this.options;
    const index = this.selfMaps.length;
    const self = sourceOf(selfMaps?.[index], this.selfRows);
    const cross = sourceOf(crossMaps?.[index], this.crossRows);
    const run = () => block.forward(x, sees, { self, cross, maps, heat }, skip);
    const inputs = [x, ...(skip ? [skip] : []), ...sees];
    const folds = this.options.recompute && !maps && !heat;
    const result: AttentionResult = folds ? { y: recompute(inputs, () => run().y) } : scope(run);
    skip?.dispose();
    this.selfMaps.push(result.selfMap);
    this.crossMaps.push(result.crossMap);
    if (result.heat) this.heats.push(result.heat);
    return result.y;
  }
}

const sourceOf = (logits: Tensor | undefined, rows: Tensor | undefined): Source =>
  logits ? { logits } : rows && { rows };

/** Flags or row numbers on the GPU, u32. */
const rows = (values: ArrayLike<number | boolean>): Tensor =>
  tensor(() => Uint32Array.from(values, Number), [values.length], "u32");
