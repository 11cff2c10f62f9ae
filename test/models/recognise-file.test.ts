// What files are told to be. Shapes are enough: no tensor is read, no device is opened.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { recognise } from "../../models/recognise-file.js";
import { goldenDir } from "../golden.js";

type Shapes = Record<string, readonly number[]>;

const listing = (shapes: Shapes, format = "torch zip", dtype: "f32" | "i64" = "f32") => ({
  format,
  names: Object.keys(shapes),
  has: (name: string) => Object.hasOwn(shapes, name),
  info: (name: string) => ({ shape: [...shapes[name]!], dtype }),
});
const keysOf = (name: string): Shapes =>
  JSON.parse(readFileSync(join(goldenDir(), `${name}.keys.json`), "utf8")) as Shapes;
const behind = (prefix: string, shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [prefix + key, shape]));
const is = (shapes: Shapes, format?: string) => {
  const { kind, what, at, net } = recognise(listing(shapes, format));
  return [kind, net, at, what].filter((part) => part !== undefined && part !== "").join(" | ");
};

describe("why: the authors' nets are known by their keys", () => {
  test.each<[file: string, kind: string, net: string, parameters: string]>([
    ["unet_full", "diffusion", "unet_cond_ca_cpd25_uncond20", "216,341,443"],
    ["vq_full", "vqgan", "vq-f4", "55,322,782"],
    ["ir_18", "recogniser", "ir_18", "24,020,352"],
    ["ir_50", "recogniser", "ir_50", "43,585,600"],
    ["ir_101", "recogniser", "ir_101", "65,150,912"],
    ["iresnet18", "recogniser", "iresnet18", "24,025,600"],
    ["iresnet50", "recogniser", "iresnet50", "43,590,848"],
  ])("%s", (file, kind, net, parameters) => {
    const found = recognise(listing(behind("module.net.", keysOf(file))));
    expect(found).toMatchObject({ kind, net, at: "module.net." });
    expect(found.what).toContain(`"${net}", ${parameters} parameters`);
    expect(found.takenBy.join("\n")).toContain(` ${net}`);
  });

  test("IDiff-Face's net is the paper's without one tensor", () => {
    const { empty_context_embedding: _, ...rest } = keysOf("unet_full");
    expect(recognise(listing(rest)).net).toBe("unet_cond_ca_cpd25");
  });

  test("half an autoencoder is half an autoencoder", () => {
    const half = (pattern: RegExp): Shapes =>
      Object.fromEntries(Object.entries(keysOf("vq_full")).filter(([key]) => pattern.test(key)));
    expect(is(half(/^(encoder|quant_conv)\./))).toBe(
      'vqgan | vq-f4 | the encoder of the autoencoder "vq-f4", 22,337,423 parameters',
    );
    expect(recognise(listing(half(/^(decoder|post_quant_conv|quantize)\./)))).toMatchObject({
      net: "vq-f4",
      part: "decoder",
    });
  });

  test("a checkpoint of several nets is the largest of them, and what is not its own is counted apart", () => {
    const all = {
      ...behind("state_dict.", keysOf("vq_full")),
      "state_dict.loss.discriminator.main.0.weight": [64, 3, 4, 4],
      "optimizer_states.0.state.0.exp_avg": [3],
    };
    const { kind, at, own } = recognise(listing(all));
    expect([kind, at, own.size]).toEqual(["vqgan", "state_dict.", Object.keys(keysOf("vq_full")).length]);
  });

  test("what nearly fits is called so, with both numbers, and no command takes it", () => {
    const { "quant_conv.bias": _, ...cut } = keysOf("vq_full");
    expect(is(cut)).toMatch(/^vqgan \| almost the autoencoder "vq-f4": \d+ of its \d+ tensors fit$/);
    const excited = { ...keysOf("ir_50"), "body.0.res_layer.se_block.fc1.weight": [4, 64, 1, 1] };
    expect(is(excited)).toMatch(
      /^recogniser \| almost the recogniser "ir_50": (\d+) of its \1 tensors fit, and 1 more are not its own$/,
    );
    expect(recognise(listing(excited)).takenBy).toEqual([]);
  });

  test("Inception-v3, with or without its classifier", () => {
    const { "fc.weight": _, "fc.bias": __, ...trunk } = keysOf("inception");
    expect(is(keysOf("inception"))).toContain("inception | Inception-v3");
    expect(is(trunk)).toContain("inception | Inception-v3");
  });
});

describe("why: everything else has marks", () => {
  test.each<[what: string, shapes: Shapes, expected: string | RegExp, format?: string]>([
    [
      "a UNet of another width",
      { "image_proj.weight": [64, 4, 3, 3], "time_emb.lin1.weight": [256, 64], "context_emb.weight": [99, 300] },
      /^diffusion \| a diffusion model .*latents of 4 channels, first width 64, contexts of 300 numbers$/,
    ],
    [
      "an unconditional UNet",
      { "m.image_proj.weight": [96, 3, 3, 3], "m.time_emb.lin1.weight": [384, 96] },
      /^diffusion \| m\. \| .*no contexts$/,
    ],
    [
      "Stable Diffusion's autoencoder",
      { "encoder.conv_in.weight": [1], "decoder.conv_in.weight": [1] },
      /without a codebook/,
    ],
    [
      "IR_SE",
      { "input_layer.0.weight": [1], "output_layer.3.weight": [512, 9], "body.0.res_layer.se_block.fc1.weight": [1] },
      /^recogniser \| .*squeeze and excitation.*512 features/,
    ],
    [
      "a PatchGAN",
      { "main.0.weight": [32, 3, 4, 4], "main.2.weight": [64, 32, 4, 4] },
      /^discriminator \| .*first width 32/,
    ],
    [
      "LPIPS's small file",
      Object.fromEntries([0, 1, 2, 3, 4].map((l) => [`lin${l}.model.1.weight`, [1, 64, 1, 1]])),
      /^lpips without vgg16 \| LPIPS's five/,
    ],
    [
      "torchvision's VGG16",
      { "features.0.weight": [64, 3, 3, 3], "features.28.weight": [512, 512, 3, 3], "classifier.0.weight": [1, 1] },
      /^vgg16/,
    ],
    [
      "our head",
      { kernel: [512, 10572], t: [1] },
      /^head \| a head of a recogniser: 10,572 classes, features of 512 numbers$/,
    ],
    ["TFace's head", { "casia.kernel": [512, 99] }, /^head \| casia\. \| .*: 99 classes/],
    ["TFace's PartialFC", { casia: [512, 99] }, /^head \| .*: 99 classes/],
    [
      "Adam's state",
      { "state.0.exp_avg": [3], "state.0.exp_avg_sq": [3], "state.0.step": [] },
      "optimiser | the state of an optimiser (Adam)",
    ],
    ["our saves of SGD", { "momentum_buffer.w": [3], step: [1] }, "optimiser | the state of an optimiser"],
    [
      "Lightning's checkpoint of something",
      { "state_dict.w.weight": [3, 3], "optimizer_states.0.state.0.exp_avg": [3, 3] },
      /^checkpoint \| a training checkpoint of a net that is not known/,
    ],
    [
      "latents between runs",
      { z: [2, 40, 3, 16, 16], contexts: [40, 128] },
      /^latents \| .*40 images, 3 x 16 x 16.*contexts of 128/,
    ],
    ["contexts", { array: [7, 512] }, /^contexts \| 7 contexts: embeddings of 512 numbers, as unet_/, "npy"],
    [
      "contexts of no net here",
      { array: [7, 300] },
      "tensors | 7 rows of 300 numbers; as contexts they fit none of the nets here, which take 512 or 128",
      "npy",
    ],
    ["contexts in a torch file", { array: [7, 512] }, /^contexts \|/, "safetensors"],
    ["contexts by name", { "a/0.png": [512], "b/1.png": [1, 512] }, /^contexts \| 2 embeddings of 512 numbers by name/],
    [
      "biases are no contexts",
      { "a.bias": [512], "b.bias": [512] },
      "tensors | 2 tensors of no net that is known here",
    ],
    ["nothing", {}, "tensors | no tensor"],
  ])("%s", (_, shapes, expected, format) => {
    const found = is(shapes, format);
    if (typeof expected === "string") expect(found).toBe(expected);
    else expect(found).toMatch(expected);
  });

  test("integers are no contexts", () =>
    expect(recognise(listing({ array: [7, 512] }, "npy", "i64")).kind).toBe("tensors"));
});
