// What `uiface train <net> --help` says of each script's settings, and which values they take.

import { unets, vqgans } from "../models/configs.js";
import { backbones } from "../models/iresnet.js";
import type { diffusionDefaults } from "./diffusion.js";
import { heads, type recogniserDefaults } from "./recogniser.js";
import type { SettingsOptions } from "./settings.js";
import type { shippedDefaults } from "./shipped.js";
import type { vqganDefaults } from "./vqgan.js";

const about = {
  data: "a folder <identity>/<k>.png or .jpg, or drawn:IDENTITIESxPICTURES",
  size: "side of the images",
  net: "configuration",
  init: "weights to start from: .safetensors, .ckpt, .pth, .pt, .npz",
  batch: "images at once",
  lr: "learning rate",
  steps: "updates",
  saveEvery: "updates between two saves; 0: only at the end",
  seed: "of weights, order and noise",
  strict: "an unreadable picture ends the run",
  out: "the run folder: saves, metrics, weights",
};
const whole = { size: 1, batch: 1, steps: 1, saveEvery: 0, seed: 0 };

export const vqganOptions: SettingsOptions<typeof vqganDefaults> = {
  summary: "the autoencoder whose latents the diffusion model works on",
  examples: ["uiface train vqgan", "uiface train vqgan --data data/faces --net vq-f4 --size 128 --batch 8"],
  about: {
    ...about,
    lr: "learning rate; falls to zero over the run (half a cosine)",
    quantiseFrom: "first step with a codebook",
    lpips: "weights of LPIPS with VGG16, one file or several with commas between: turns the perceptual loss on",
    perceptualWeight: "of LPIPS",
    lpipsDropout: "LPIPS drops half of its differences, as in the official training",
    discWeight: "of the discriminator, 0.75 in the official training; 0: none",
    discStart: "its first step",
  },
  choices: { net: Object.keys(vqgans) },
  whole: { ...whole, discStart: 0 },
};

export const recogniserOptions: SettingsOptions<typeof recogniserDefaults> = {
  summary: "a face recogniser: it makes contexts, and judges generated faces",
  examples: ["uiface train recogniser", "uiface train recogniser --preset paper --data data/uiface"],
  about: {
    ...about,
    head: "what tells the identities apart",
    margin: "of the head",
    scale: "s of the head",
    dropout: "before the last linear layer",
    shift: "largest move of an image, in pixels, each way; what moves in is its reflection",
    contrast: "largest change of an image's contrast: 0.3 is 0.7 to 1.3 times its own",
    drops: "parts of the run after which lr falls tenfold",
    weightDecay: "on everything",
  },
  choices: { net: Object.keys(backbones), head: Object.keys(heads) },
  whole: { ...whole, shift: 0 },
  presets: {
    tiny: {},
    // 40 epochs of 500,000 images with drops at the 22nd, 30th and 35th; lr 0.1 is for 1,024 images at once (docs/fidelity.md).
    paper: {
      net: "ir_50",
      size: 112,
      head: "arcface",
      margin: 0.5,
      scale: 64,
      dropout: 0.4,
      batch: 128,
      lr: 0.0125,
      drops: [0.525, 0.725, 0.85],
      steps: 156_250,
      saveEvery: 4_000,
    },
  },
};

export const diffusionOptions: SettingsOptions<typeof diffusionDefaults> = {
  summary: "the identity-conditioned latent diffusion model",
  examples: ["uiface train diffusion", "uiface train diffusion --preset paper --data data/casia"],
  about: {
    ...about,
    vqgan: "weights of the autoencoder; default: the shipped ones",
    vqganNet: "its configuration",
    recogniser: "weights of the recogniser that makes the contexts; default: the shipped ones",
    recogniserNet: "its configuration",
    accumulate: "batches of one update",
    firstCycle: "updates of the first cosine cycle of lr; each is twice as long as the one before",
    ema: "decay of the averaged weights",
    recompute: "keep of every block its input alone: less memory, a third more work, the same result",
  },
  choices: { net: Object.keys(unets), vqganNet: Object.keys(vqgans), recogniserNet: Object.keys(backbones) },
  whole: { ...whole, accumulate: 1, firstCycle: 1 },
  presets: {
    tiny: {},
    // The official configuration: 8 x 64 images an update; weights of vq-f4 and of ElasticFace's net.
    paper: {
      net: "unet_cond_ca_cpd25_uncond20",
      size: 128,
      vqgan: "data/vq-f4.safetensors",
      vqganNet: "vq-f4",
      recogniser: "data/elasticface.safetensors",
      recogniserNet: "iresnet100",
      batch: 64,
      accumulate: 8,
      lr: 1e-4,
      firstCycle: 10_000,
      steps: 900_000,
      saveEvery: 10_000,
    },
  },
};

export const shippedOptions: SettingsOptions<typeof shippedDefaults> = {
  summary: "all three nets as they come with the package",
  examples: ["uiface train shipped --out runs/shipped --weights runs/shipped/weights"],
  about: { out: "the three runs", weights: "the folder of the finished files, with 16 bits a number" },
};
