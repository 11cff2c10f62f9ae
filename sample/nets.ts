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
}

/** The weights that come with the package. */
export const shippedWeights = (): string => fileURLToPath(new URL("../weights", import.meta.url));

/** Opens <folder>/{vqgan,recogniser,diffusion}.safetensors; each file names its configuration in its metadata. */
export function openNets(folder = shippedWeights()): Nets {
  return {
    vqgan: open(folder, "vqgan", vqgans, (config) => new VqGan(config)),
    recogniser: open(folder, "recogniser", backbones, (make) => make()),
    unet: open(folder, "diffusion", unets, (config) => new UNet(config)),
  };
}

function open<C, M extends Module>(folder: string, file: string, known: Record<string, C>, make: (config: C) => M): M {
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
  return net;
}
