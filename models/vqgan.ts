// The autoencoder whose latents the diffusion model works on: VQGAN (Esser et al. 2021) in the size of latent diffusion's
// "vq-f4" (Rombach et al. 2022). 128 x 128 x 3 becomes 32 x 32 x 3.
//
//   encode    z = quant_conv(encoder(image))                 continuous: the diffusion model trains on z itself
//   decode    image = decoder(post_quant_conv(quantise(z)))
//
// No tanh at the end: who shows an image clamps it to [-1, 1].

import { Conv2d, Embedding, GroupNorm, Module, uniform } from "../engine/nn.js";
import { attention } from "../engine/ops/attention.js";
import { add, mul, sub } from "../engine/ops/binary.js";
import { embedding } from "../engine/ops/embedding.js";
import { upsampleNearest2 } from "../engine/ops/interpolate.js";
import { permute, reshape } from "../engine/ops/layout.js";
import { mse } from "../engine/ops/loss.js";
import { nearestCode } from "../engine/ops/nearest_code.js";
import { scope } from "../engine/scope.js";
import type { Tensor } from "../engine/tensor.js";

/** Latent diffusion's "ddconfig", with its names; what the released nets leave at one value is not here. */
export interface VqGanConfig {
  ch: number;
  /** Of ch, a level each; every level but the last halves the side. */
  ch_mult: readonly number[];
  num_res_blocks: number;
  in_channels: number;
  out_ch: number;
  z_channels: number;
  /** Size of a code, and how many there are. */
  embed_dim: number;
  n_embed: number;
  /** Of every GroupNorm; 32 unless said (see UNetConfig). */
  norm_groups?: number;
}

const norm = (channels: number, groups = 32) => new GroupNorm(groups, channels, 1e-6);
const conv3 = (inputs: number, outputs: number) => new Conv2d(inputs, outputs, 3, { padding: 1 });

class ResnetBlock extends Module {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  readonly nin_shortcut: Conv2d | undefined;

  constructor(inputs: number, outputs: number, groups?: number) {
    super();
    this.norm1 = norm(inputs, groups);
    this.conv1 = conv3(inputs, outputs);
    this.norm2 = norm(outputs, groups);
    this.conv2 = conv3(outputs, outputs);
    if (inputs !== outputs) this.nin_shortcut = new Conv2d(inputs, outputs, 1);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const h = this.conv1.forward(this.norm1.forward(x, { silu: true }));
      const out = this.conv2.forward(this.norm2.forward(h, { silu: true }));
      return add(this.nin_shortcut?.forward(x) ?? x, out);
    });
  }
}

/** Attention with one head over all pixels. */
class AttnBlock extends Module {
  readonly norm: GroupNorm;
  readonly q: Conv2d;
  readonly k: Conv2d;
  readonly v: Conv2d;
  readonly proj_out: Conv2d;

  constructor(
    private readonly channels: number,
    groups?: number,
  ) {
    super();
    this.norm = norm(channels, groups);
    this.q = new Conv2d(channels, channels, 1);
    this.k = new Conv2d(channels, channels, 1);
    this.v = new Conv2d(channels, channels, 1);
    this.proj_out = new Conv2d(channels, channels, 1);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const h = this.norm.forward(x);
      const flat = (layer: Conv2d) => reshape(layer.forward(h), [x.dim(0), this.channels, x.dim(2) * x.dim(3)]);
      const y = attention(flat(this.q), flat(this.k), flat(this.v), { heads: 1, scale: this.channels ** -0.5 });
      return add(x, this.proj_out.forward(reshape(y, x.shape)));
    });
  }
}

class Mid extends Module {
  readonly block_1: ResnetBlock;
  readonly attn_1: AttnBlock;
  readonly block_2: ResnetBlock;

  constructor(channels: number, groups?: number) {
    super();
    this.block_1 = new ResnetBlock(channels, channels, groups);
    this.attn_1 = new AttnBlock(channels, groups);
    this.block_2 = new ResnetBlock(channels, channels, groups);
  }

  forward(x: Tensor): Tensor {
    return this.block_2.forward(this.attn_1.forward(this.block_1.forward(x)));
  }
}

/** The blocks of one resolution, and the way to the next. */
interface Level {
  block: ResnetBlock[];
  downsample?: { conv: Conv2d };
  upsample?: { conv: Conv2d };
}

export class Encoder extends Module {
  readonly conv_in: Conv2d;
  readonly down: Level[];
  readonly mid: Mid;
  readonly norm_out: GroupNorm;
  readonly conv_out: Conv2d;

  constructor({ ch, ch_mult, num_res_blocks, in_channels, z_channels, norm_groups }: VqGanConfig) {
    super();
    this.conv_in = conv3(in_channels, ch);
    let width = ch;
    this.down = ch_mult.map((multiplier, i) => {
      const block = Array.from({ length: num_res_blocks }, () => {
        const made = new ResnetBlock(width, ch * multiplier, norm_groups);
        width = ch * multiplier;
        return made;
      });
      const last = i === ch_mult.length - 1;
      // One row below and one column to the right are padded, none on the other sides.
      return last
        ? { block }
        : { block, downsample: { conv: new Conv2d(width, width, 3, { stride: 2, padding: [0, 0, 1, 1] }) } };
    });
    this.mid = new Mid(width, norm_groups);
    this.norm_out = norm(width, norm_groups);
    this.conv_out = conv3(width, z_channels);
  }

  /** (B, in_channels, H, W) -> (B, z_channels, H / f, W / f) */
  forward(image: Tensor): Tensor {
    return scope(() => {
      let h = this.conv_in.forward(image);
      for (const { block, downsample } of this.down) {
        for (const b of block) h = replaced(h, b.forward(h));
        if (downsample) h = replaced(h, downsample.conv.forward(h));
      }
      h = replaced(h, this.mid.forward(h));
      return this.conv_out.forward(this.norm_out.forward(h, { silu: true }));
    });
  }
}

export class Decoder extends Module {
  readonly conv_in: Conv2d;
  readonly mid: Mid;
  /** By level: the last one runs first. */
  readonly up: Level[];
  readonly norm_out: GroupNorm;
  readonly conv_out: Conv2d;

  constructor({ ch, ch_mult, num_res_blocks, out_ch, z_channels, norm_groups }: VqGanConfig) {
    super();
    let width = ch * ch_mult.at(-1)!;
    this.conv_in = conv3(z_channels, width);
    this.mid = new Mid(width, norm_groups);
    const levels = [...ch_mult.entries()].reverse().map(([level, multiplier]) => {
      const block = Array.from({ length: num_res_blocks + 1 }, () => {
        const made = new ResnetBlock(width, ch * multiplier, norm_groups);
        width = ch * multiplier;
        return made;
      });
      return level === 0 ? { block } : { block, upsample: { conv: conv3(width, width) } };
    });
    this.up = levels.reverse();
    this.norm_out = norm(width, norm_groups);
    this.conv_out = conv3(width, out_ch);
  }

  /** (B, z_channels, h, w) -> (B, out_ch, h f, w f) */
  forward(z: Tensor): Tensor {
    return scope(() => this.conv_out.forward(this.hidden(z)));
  }

  /** What conv_out makes the image of: (B, ch, h f, w f). */
  hidden(z: Tensor): Tensor {
    return scope(() => {
      let h = this.conv_in.forward(z);
      h = replaced(h, this.mid.forward(h));
      for (const { block, upsample } of [...this.up].reverse()) {
        for (const b of block) h = replaced(h, b.forward(h));
        if (upsample)
          h = replaced(
            h,
            scope(() => upsample.conv.forward(upsampleNearest2(h))),
          );
      }
      return this.norm_out.forward(h, { silu: true });
    });
  }
}

/** `after`; `before` is freed, but for what the tape keeps of it: the activations of a whole net would not fit otherwise. */
function replaced(before: Tensor, after: Tensor): Tensor {
  before.dispose();
  return after;
}

export interface Quantised {
  /** The nearest codes, in z's shape; its gradient passes to z unchanged (straight-through). */
  zq: Tensor;
  /** [1] */
  codebookLoss: Tensor;
  /** (B h w), u32, in the order of the pixels. */
  indices: Tensor;
}

export class VqGan extends Module {
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  readonly quantize: { embedding: Embedding };
  readonly quant_conv: Conv2d;
  readonly post_quant_conv: Conv2d;

  constructor(readonly config: VqGanConfig) {
    super();
    const { z_channels, embed_dim, n_embed } = config;
    this.encoder = new Encoder(config);
    this.decoder = new Decoder(config);
    this.quantize = { embedding: new Embedding(n_embed, embed_dim, uniform(1 / n_embed)) };
    this.quant_conv = new Conv2d(z_channels, embed_dim, 1);
    this.post_quant_conv = new Conv2d(embed_dim, z_channels, 1);
  }

  /** Images in [-1, 1] to continuous latents. */
  encode(image: Tensor): Tensor {
    return scope(() => this.quant_conv.forward(this.encoder.forward(image)));
  }

  /** Continuous latents to images, by way of their nearest codes. */
  decode(z: Tensor): Tensor {
    return scope(() => this.decodeCodes(this.quantise(z).zq));
  }

  /** The last part of `decode`. */
  decodeCodes(zq: Tensor): Tensor {
    return scope(() => this.decoder.forward(this.post_quant_conv.forward(zq)));
  }

  /**
   * The nearest code of each pixel (van den Oord et al. 2017), with the loss that draws codes and latents together:
   *
   *   loss = mean (sg(zq) - z)^2 + beta mean (zq - sg(z))^2          `legacyBeta`, latent diffusion's default: beta on the codes
   *   loss = beta mean (sg(zq) - z)^2 + mean (zq - sg(z))^2          the paper's
   */
  quantise(z: Tensor, { beta = 0.25, legacyBeta = true } = {}): Quantised {
    return scope(() => {
      const [B, D, h, w] = z.shape as [number, number, number, number];
      const codebook = this.quantize.embedding.weight.value;
      const flat = reshape(permute(z, [0, 2, 3, 1]), [B * h * w, D]);
      const indices = nearestCode(flat.detach(), codebook);
      const codes = permute(reshape(embedding(indices, codebook), [B, h, w, D]), [0, 3, 1, 2]);

      const commitment = mse(codes.detach(), z);
      const code = mse(codes, z.detach());
      const codebookLoss = legacyBeta ? add(commitment, mul(code, beta)) : add(mul(commitment, beta), code);
      return { zq: add(z, sub(codes.detach(), z.detach())), codebookLoss, indices };
    });
  }
}
