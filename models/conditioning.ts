// What the UNet's blocks make of the time and of the context, before any of them runs: all blocks see the same inputs, so what
// each does with them is one product for all, or for all of a width. The weights lie together in memory from the start (nn.ts#Joint).
//
//   scale, shift = lin(lin(SiLU(tau)))            of every residual block
//   k, v         = lin(norm(lin(context)))        of every cross-attention; the context's 32 tokens lie between

import { type Joined, joined } from "../engine/nn.js";
import { groupNorm } from "../engine/ops/group_norm.js";
import { reshape } from "../engine/ops/layout.js";
import { type Alike, linear, linearEach } from "../engine/ops/linear.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";
import { type AttentionBlock, TOKENS } from "./attention.js";
import type { ResBlock } from "./res_block.js";

/** Residual blocks of one width, and their layers of scale and shift as one. */
interface Timed {
  blocks: readonly ResBlock[];
  modulation: Joined;
}

/** Attention blocks, those of one width behind each other, and their layers likewise. */
interface Attending {
  blocks: readonly AttentionBlock[];
  tokens: Joined;
  norm: Joined;
  kv: readonly { layers: Joined; count: number }[];
}

/** Elements of weights that lie together, at most: three quarters of what every adapter binds. */
const MOST = 3 * 2 ** 23;

/** For every residual block its scale and shift, (B, 2 C); for every attention block k and v of the context, (B, 2 C, 32). */
export interface Seen {
  modulations: ReadonlyMap<ResBlock, Tensor>;
  keys: ReadonlyMap<AttentionBlock, Tensor>;
}

export class Conditioning {
  private readonly timed: readonly Timed[];
  private readonly time: Joined;
  private readonly attending: readonly Attending[];

  /** Before the blocks' parameters have values. */
  constructor(timed: readonly ResBlock[], attending: readonly AttentionBlock[]) {
    this.timed = ofOneWidth(timed, (block) => block.conv2.weight.shape[0]!).map((blocks) => ({
      blocks,
      modulation: joined(blocks.flatMap((block) => [block.scale_emb, block.shift_emb])),
    }));
    this.time = joined(this.timed.flatMap(({ blocks }) => blocks.map((block) => block.time_emb[1])));
    const ofWidths = ofOneWidth(attending, (block) => block.x_norm.weight.shape[0]!);
    const [rows, channels] = (attending[0]?.c_proj_in.weight.shape ?? [1, 1]) as [number, number];
    this.attending = packed(ofWidths, Math.max(1, Math.floor(MOST / (rows * channels)))).map((groups) => ({
      blocks: groups.flat(),
      tokens: joined(groups.flat().map((block) => block.c_proj_in)),
      norm: joined(groups.flat().map((block) => block.c_norm)),
      kv: groups.map((blocks) => ({
        layers: joined(blocks.flatMap(({ cross_attention: { to_k, to_v } }) => [to_k, to_v])),
        count: blocks.length,
      })),
    }));
  }

  /** siluTau: SiLU(tau), (B, timeChannels); context: (B, contextChannels), projected */
  see(siluTau: Tensor, context: Tensor): Seen {
    const modulations = new Map(scope(() => this.modulationsOf(siluTau)));
    const keys = new Map(this.attending.flatMap((group) => scope(() => keysOf(group, context))));
    return { modulations, keys };
  }

  private modulationsOf(siluTau: Tensor): [ResBlock, Tensor][] {
    const e = linear(siluTau, this.time.weight.value, this.time.bias.value);
    const all = linearEach(
      e,
      this.timed.map(({ blocks, modulation }) => alike(modulation, blocks.length)),
    );
    return this.timed.flatMap(({ blocks }) => blocks).map((block, i) => [block, all[i]!]);
  }
}

const alike = ({ weight, bias }: Joined, count: number): Alike => ({ w: weight.value, bias: bias.value, count });

function keysOf({ blocks, tokens, norm, kv }: Attending, context: Tensor): [AttentionBlock, Tensor][] {
  const [B, channels] = context.shape as [number, number];
  const c = linear(context, tokens.weight.value, tokens.bias.value);
  const { groups, eps } = blocks[0]!.c_norm;
  const normed = groupNorm(
    reshape(c, [B, blocks.length * channels, TOKENS]),
    blocks.length * groups,
    norm.weight.value,
    norm.bias.value,
    { eps, layout: "channels_last" },
  );
  const all = linearEach(
    normed,
    kv.map(({ layers, count }) => alike(layers, count)),
  );
  return blocks.map((block, i) => [block, all[i]!]);
}

/** In the order of their first. */
function ofOneWidth<Block>(blocks: readonly Block[], width: (block: Block) => number): Block[][] {
  const groups = new Map<number, Block[]>();
  for (const block of blocks) groups.set(width(block), [...(groups.get(width(block)) ?? []), block]);
  return [...groups.values()];
}

/** Groups, of at most `most` blocks, put together while they have no more. */
function packed<Block>(groups: readonly Block[][], most: number): Block[][][] {
  const out: Block[][][] = [];
  for (const group of groups) {
    for (let from = 0; from < group.length; from += most) {
      const piece = group.slice(from, from + most);
      const last = out.at(-1);
      if (last && last.flat().length + piece.length <= most) last.push(piece);
      else out.push([piece]);
    }
  }
  return out;
}
