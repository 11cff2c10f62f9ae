// The nets of a generation: autoencoder, recogniser, diffusion model, by default the shipped small ones.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FileError } from "../engine/errors.js";
import { openSafetensors } from "../engine/io/safetensors.js";
import type { Module } from "../engine/nn.js";
import { unets, vqgans } from "../models/configs.js";
import { type Backbone, backbones } from "../models/iresnet.js";
import { UNet } from "../models/unet.js";
import { VqGan } from "../models/vqgan.js";

export interface Nets {
  vqgan: VqGan;
  recogniser: Backbone;
  unet: UNet;
  /** (C, h, w) of a latent. */
  latent: readonly [number, number, number];
}

/** The weights that come with the package. */
export const shippedWeights = (): string => fileURLToPath(new URL("../weights", import.meta.url));

/** Opens <folder>/{vqgan,recogniser,diffusion}.safetensors; each file names its configuration in its metadata. */
export function openNets(folder = shippedWeights()): Nets {
  const vqgan = open(folder, "vqgan", vqgans, (config) => new VqGan(config));
  const recogniser = open(folder, "recogniser", backbones, (make) => make());
  const unet = open(folder, "diffusion", unets, (config) => new UNet(config));
  const size = Number(vqgan.metadata.get("size") ?? 128); // of the images it was trained on
  const side = size / 2 ** (vqgan.net.config.ch_mult.length - 1);
  return {
    vqgan: vqgan.net,
    recogniser: recogniser.net,
    unet: unet.net,
    latent: [vqgan.net.config.embed_dim, side, side],
  };
}

interface Opened<M> {
  net: M;
  metadata: ReadonlyMap<string, string>;
}

function open<C, M extends Module>(
  folder: string,
  file: string,
  known: Record<string, C>,
  make: (config: C) => M,
): Opened<M> {
  const path = join(folder, `${file}.safetensors`);
  if (!existsSync(path))
    throw new FileError(
      `${path} is missing.\nTrain it with \`uiface train ${file}\`, or name another folder with --weights.`,
    );
  const weights = openSafetensors(path);
  const name = weights.metadata.get("net") ?? "tiny";
  const config = known[name];
  if (!config) throw new FileError(`${path} is for the net "${name}"; known are ${Object.keys(known).join(", ")}.`);
  const net = make(config);
  net.load(weights);
  return { net, metadata: weights.metadata };
}
