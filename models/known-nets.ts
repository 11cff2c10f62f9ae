// The nets that a file can be recognised as: those with a name in configs.ts and iresnet.ts, and the nets of the losses and metrics.

import type { Module } from "../engine/nn.js";
import { type Shape, sameShape, sizeOf } from "../engine/tensor.js";
import { unets, vqgans } from "./configs.js";
import { Discriminator } from "./discriminator.js";
import { Inception } from "./inception.js";
import { backbones } from "./iresnet.js";
import { Lpips } from "./lpips.js";
import { UNet } from "./unet.js";
import { VqGan } from "./vqgan.js";

/** A net whose tensors are known. */
export interface Known {
  kind: "diffusion" | "vqgan" | "recogniser" | "discriminator" | "lpips" | "inception";
  what: string;
  make: () => Module;
  net?: string;
  /** The part of it that the file holds. */
  keys?: RegExp;
  part?: "encoder" | "decoder";
  /** Keys that lie among its own in some files and are none of it. */
  beside?: RegExp;
}

/** Of an autoencoder that was trained with a discriminator: the loss has nets in it. */
export const lossKeys = /^loss\./;

/** The keys of an autoencoder's halves, where they lie in two files. */
export const halves = { encoder: /^(encoder|quant_conv)\./, decoder: /^(decoder|post_quant_conv|quantize)\./ } as const;

/** Every net that has a name here, and three that have none because there is only one of each. */
export const knownNets: readonly Known[] = [
  ...Object.entries(unets).map(
    ([net, config]): Known => ({
      kind: "diffusion",
      net,
      what: `the diffusion model "${net}"`,
      make: () => new UNet(config),
    }),
  ),
  ...Object.entries(vqgans).flatMap(([net, config]): Known[] => {
    const make = () => new VqGan(config);
    const whole: Known = { kind: "vqgan", net, what: `the autoencoder "${net}"`, make, beside: lossKeys };
    const half = (part: "encoder" | "decoder"): Known => ({
      ...whole,
      what: `the ${part} of ${whole.what}`,
      part,
      keys: halves[part],
    });
    return [whole, half("encoder"), half("decoder")];
  }),
  ...Object.entries(backbones).map(
    ([net, make]): Known => ({ kind: "recogniser", net, what: `the recogniser "${net}"`, make: () => make() }),
  ),
  { kind: "discriminator", what: "the autoencoder's discriminator (PatchGAN)", make: () => new Discriminator() },
  { kind: "lpips", what: "LPIPS with its VGG16", make: () => new Lpips(), beside: /^(lins|scaling_layer)\./ },
  {
    kind: "inception",
    what: "Inception-v3",
    make: () => new Inception(),
    keys: /^(Conv2d|Mixed)_/,
    beside: /^(AuxLogits|fc)\./,
  },
];

/** What recognition knows of a net: the shapes of its tensors, and how many numbers it has that are no buffers. */
export interface Form {
  shapes: ReadonlyMap<string, Shape>;
  parameters: number;
}

const forms = new Map<Known, Form>();

/** Made once for each net; it takes some milliseconds. */
export function tensorsOf(one: Known): Form {
  let form = forms.get(one);
  if (!form) {
    const entries = one
      .make()
      .entries()
      .filter(([name]) => one.keys?.test(name) ?? true);
    const parameters = entries.reduce((n, [, p]) => n + (p.kind === "buffer" ? 0 : sizeOf(p.shape)), 0);
    form = { shapes: new Map(entries.map(([name, p]) => [name, p.shape])), parameters };
    forms.set(one, form);
  }
  return form;
}

/** The net's name with its kind, for messages; its class where it has no name. */
export function nameOf(net: Module): string {
  const entries = net.entries();
  const same = knownNets.find((one) => {
    if (one.keys) return false;
    const { shapes } = tensorsOf(one);
    return entries.length === shapes.size && entries.every(([name, p]) => sameShape(shapes.get(name) ?? [-1], p.shape));
  });
  return same?.what ?? net.constructor.name;
}
