// Names, shapes and order of every tensor of the nets, against the authors' state dicts. No GPU is needed: a net is shapes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { device } from "../../engine/device.js";
import type { Module } from "../../engine/nn.js";
import { unets, vqgans } from "../../models/configs.js";
import { Discriminator } from "../../models/discriminator.js";
import { Inception } from "../../models/inception.js";
import { backbones } from "../../models/iresnet.js";
import { Lpips } from "../../models/lpips.js";
import { UNet, type UNetConfig } from "../../models/unet.js";
import { Vgg16 } from "../../models/vgg16.js";
import { VqGan } from "../../models/vqgan.js";
import { goldenDir, loadGolden } from "../golden.js";

const nets: Record<string, { make: () => Module; parameters: number }> = {
  unet_full: { make: () => new UNet(unets.unet_cond_ca_cpd25_uncond20), parameters: 216_341_443 },
  vq_full: { make: () => new VqGan(vqgans["vq-f4"]), parameters: 55_322_782 },
  ir_18: { make: () => backbones.ir_18(), parameters: 24_020_352 },
  ir_50: { make: () => backbones.ir_50(), parameters: 43_585_600 },
  ir_101: { make: () => backbones.ir_101(), parameters: 65_150_912 },
  iresnet18: { make: () => backbones.iresnet18(), parameters: 24_025_600 },
  iresnet50: { make: () => backbones.iresnet50(), parameters: 43_590_848 },
  inception: { make: () => new Inception(), parameters: 27_161_264 },
};

describe.each(Object.entries(nets))("%s", (name, { make, parameters }) => {
  test("why: a checkpoint of the authors must load as it is", () => {
    const keys = JSON.parse(readFileSync(join(goldenDir(), `${name}.keys.json`), "utf8")) as Record<string, number[]>;
    const want = Object.entries(keys).filter(([key]) => !key.endsWith("num_batches_tracked"));
    const got = make()
      .entries()
      .map(([key, { shape }]) => [key, [...shape]]);
    expect(got).toEqual(want);
  });

  test("why: the published number of parameters", () => expect(make().parameterCount).toBe(parameters));
});

test("why: counts of nets without a key file", () => {
  expect(backbones.ir_34().parameterCount).toBe(34_134_080);
  expect(backbones.iresnet34().parameterCount).toBe(34_139_328);
  expect(backbones.iresnet100().parameterCount).toBe(65_156_160);
  expect(new UNet(unets.unet_cond_ca_cpd25).parameterCount).toBe(216_341_187);
  expect(new Discriminator().parameterCount).toBe(2_765_633);
  expect(new Vgg16().parameterCount).toBe(14_714_688);
  expect(new Lpips().parameterCount).toBe(14_714_688 + 64 + 128 + 256 + 512 + 512);
});

test("why: IDiff-Face's net has no learned empty context, and every other key of the paper's", () => {
  const keys = (config: UNetConfig) => new UNet(config).entries().map(([key, { shape }]) => `${key} ${shape}`);
  const paper = keys(unets.unet_cond_ca_cpd25_uncond20);
  expect(["empty_context_embedding 256", ...keys(unets.unet_cond_ca_cpd25)]).toEqual(paper);
});

test("why: encoder and decoder are published as two files", () => {
  const { encoder, decoder, quantize, quant_conv, post_quant_conv } = new VqGan(vqgans["vq-f4"]);
  expect([encoder, decoder].map((net) => net.parameterCount)).toEqual([22_337_411, 32_960_771]);
  expect([quantize.embedding, quant_conv, post_quant_conv].map((net) => net.parameterCount)).toEqual([24_576, 12, 12]);
});

test("why: a net is shapes until it has values, so every named one can be looked at without a GPU", () => {
  const all: Module[] = [
    ...Object.values(unets).map((config) => new UNet(config)),
    ...Object.values(vqgans).map((config) => new VqGan(config)),
    ...Object.values(backbones).map((make) => make()),
  ];
  for (const net of all) expect(net.entries().some(([, p]) => p.hasValue)).toBe(false);
  expect(() => device()).toThrow("No device is open");
});

test("why: our named configurations are the golden files' own", () => {
  const paper = loadGolden("unet_full").json<Record<string, unknown>>("config");
  expect(paper).toMatchObject({ ...unets.unet_cond_ca_cpd25_uncond20 });
  const { embed_dim: _, n_embed, ...ddconfig } = vqgans["vq-f4"];
  expect(loadGolden("vq_full").json<Record<string, unknown>>("ddconfig")).toMatchObject(ddconfig);
  expect(loadGolden("vq_full").number("n_embed")).toBe(n_embed);
});
