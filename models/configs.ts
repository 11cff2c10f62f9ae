// Named configurations of the nets.

import type { UNetConfig } from "./unet.js";
import type { VqGanConfig } from "./vqgan.js";

/** The paper's net, 216,341,443 parameters: identity dropped out by a quarter of its elements, and wholly in 20 % of the rows. */
const paper: UNetConfig = {
  input_channels: 3,
  initial_channels: 96,
  channel_multipliers: [1, 2, 2, 2],
  is_attention: [false, true, true, true],
  attention_heads: -1,
  attention_head_channels: 32,
  n_blocks_per_resolution: 2,
  context_input_channels: 512,
  context_channels: 256,
  learn_empty_context: true,
  context_dropout_probability: 0.25,
  unconditioned_probability: 0.2,
};

export const unets = {
  unet_cond_ca_cpd25_uncond20: paper,
  /** IDiff-Face (Boutros et al. 2023), 216,341,187 parameters: no learned empty context, no unconditional rows. */
  unet_cond_ca_cpd25: { ...paper, learn_empty_context: false, unconditioned_probability: 0 },
  /** The miniature: 16 x 16 x 3 latents, contexts of 128 numbers. */
  tiny: {
    ...paper,
    initial_channels: 32,
    channel_multipliers: [1, 2, 2],
    is_attention: [false, true, true],
    n_blocks_per_resolution: 1,
    norm_groups: 8,
    predicts: "v",
    context_input_channels: 128,
    context_channels: 64,
  },
} satisfies Record<string, UNetConfig>;

export const vqgans = {
  /** Latent diffusion's vq-f4, 55,322,782 parameters. */
  "vq-f4": {
    ch: 128,
    ch_mult: [1, 2, 4],
    num_res_blocks: 2,
    in_channels: 3,
    out_ch: 3,
    z_channels: 3,
    embed_dim: 3,
    n_embed: 8192,
  },
  /** The miniature: 64 x 64 x 3 images to 16 x 16 x 3 latents. */
  tiny: {
    ch: 32,
    ch_mult: [1, 1, 2],
    num_res_blocks: 1,
    in_channels: 3,
    out_ch: 3,
    z_channels: 3,
    embed_dim: 3,
    n_embed: 1024,
    norm_groups: 8,
  },
} satisfies Record<string, VqGanConfig>;
