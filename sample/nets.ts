// The nets of a generation: autoencoder, recogniser, diffusion model, by default the shipped small ones.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FileError } from "../engine/errors.js";
import type { Module } from "../engine/nn.js";
import { unets, vqgans } from "../models/configs.js";
import { type Backbone, backbones } from "../models/iresnet.js";
import { loadCheckpoint, openCheckpoint } from "../models/load.js";
import { recognise } from "../models/recognise-file.js";
import { UNet } from "../models/unet.js";
import { VqGan } from "../models/vqgan.js";

/** What makes images. */
export interface SamplerNets {
  vqgan: VqGan;
  unet: UNet;
  /** (C, h, w) of a latent. */
  latent: readonly [number, number, number];
}

/** The recogniser makes contexts of images, and judges them. */
export interface Nets extends SamplerNets {
  recogniser: Backbone;
}

/** The weights that come with the package. */
export const shippedWeights = (): string => fileURLToPath(new URL("../weights", import.meta.url));

/** What the files are called, but for the ending: by us, or by those who published them. */
const stems = {
  vqgan: /^(vqgan|first_stage_encoder_state_dict)$/,
  recogniser: /^(recogniser|Backbone_Epoch_\d+_checkpoint|Elastic_R100_\d+backbone)$/,
  diffusion: /^(diffusion|ema_averaged_model_\d+)$/,
};
const endings = /\.(safetensors|ckpt|pth|pt|npz)$/;

/** Opens the three nets of a folder. Which configuration each is of, its metadata or its shapes say. */
export async function openNets(folder = shippedWeights()): Promise<Nets> {
  const nets = await openSamplerNets(folder);
  const { net: recogniser } = await open(folder, "recogniser", backbones, (make) => make());
  return { ...nets, recogniser };
}

/** The two that make images of given contexts. */
export async function openSamplerNets(folder = shippedWeights()): Promise<SamplerNets> {
  const vqgan = await open(folder, "vqgan", vqgans, (config) => new VqGan(config));
  const unet = await open(folder, "diffusion", unets, (config) => new UNet(config));
  const size = vqgan.metadata.get("size") ?? (vqgan.name === "tiny" ? 64 : 128); // of the images it was trained on
  const side = Number(size) / 2 ** (vqgan.net.config.ch_mult.length - 1);
  return {
    vqgan: vqgan.net,
    unet: unet.net,
    latent: [vqgan.net.config.embed_dim, side, side],
  };
}

interface Opened<M> {
  net: M;
  name: string;
  metadata: ReadonlyMap<string, string>;
}

async function open<C, M extends Module>(
  folder: string,
  kind: keyof typeof stems,
  known: Record<string, C>,
  make: (config: C) => M,
): Promise<Opened<M>> {
  const path = fileOf(folder, kind);
  const files = await openCheckpoint(path);
  const seen = recognise(files[0]!);
  const name = files[0]!.metadata.get("net") ?? (seen.kind === kind ? seen.net : undefined);
  if (name === undefined) {
    throw new FileError(
      `${path} should hold the net "${kind}", but it looks like ${seen.what}.\n\`uiface inspect ${path}\` says more.`,
    );
  }
  const config = known[name];
  if (!config) throw new FileError(`${path} is for the net "${name}"; known are ${Object.keys(known).join(", ")}.`);
  const net = make(config);
  const metadata = await loadCheckpoint(net, files);
  return { net, name, metadata };
}

function fileOf(folder: string, kind: keyof typeof stems): string {
  const isIt = (name: string) => endings.test(name) && stems[kind].test(name.replace(endings, ""));
  const found = existsSync(folder) ? readdirSync(folder).filter(isIt) : [];
  if (found.length === 1) return join(folder, found[0]!);
  if (found.length > 1)
    throw new FileError(
      `${folder} holds ${found.length} nets for "${kind}": ${found.join(", ")}.\nLeave one of them there.`,
    );
  throw new FileError(
    `${join(folder, kind)}.safetensors is missing.\nTrain it with \`uiface train ${kind}\`, give your file the name ${kind} (before .safetensors, .ckpt, .pth, .pt or .npz), or name another folder with --weights.`,
  );
}
