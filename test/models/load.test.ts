// Weights of any origin into a net: formats, what stands before the keys, the autoencoder's three layouts, and what is refused.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import type { Outgoing } from "../../engine/io/encode.js";
import type { HostTensor } from "../../engine/io/host.js";
import { writeNpz } from "../../engine/io/npz-write.js";
import { writeSafetensorsStream } from "../../engine/io/safetensors.js";
import { type Lazy, LazyTensors } from "../../engine/io/tensor-file.js";
import { type TorchValue, writeTorch } from "../../engine/io/torch-write.js";
import type { Module } from "../../engine/nn.js";
import { unets, vqgans } from "../../models/configs.js";
import { backbones } from "../../models/iresnet.js";
import { halves } from "../../models/known-nets.js";
import { checkpointFiles, loadCheckpoint } from "../../models/load.js";
import { UNet } from "../../models/unet.js";
import { VqGan } from "../../models/vqgan.js";
import { openNets } from "../../sample/nets.js";
import { goldenDir, hashed } from "../golden.js";

let dev: Device;
let folder: string;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
  folder = mkdtempSync(join(tmpdir(), "uiface-load-"));
});
afterAll(() => {
  dev.close();
  rmSync(folder, { recursive: true, force: true });
});

const recogniser = () => backbones.ir_tiny();
const vqgan = () => new VqGan(vqgans.tiny);

/** Values for every tensor of a net, each from its own name. */
const weightsOf = (net: Module): Map<string, Outgoing> =>
  new Map(
    net.entries().map(([name, { shape }]) => [name, { shape, dtype: "f32", read: () => hashed(name, shape) }] as const),
  );

/** Whether the net holds exactly those values, in every tensor or in a few (a read takes as long as a small kernel). */
async function expectLoaded(net: Module, few = Number.POSITIVE_INFINITY): Promise<void> {
  const all = [...net.stateDict()];
  const stride = Math.max(1, Math.floor(all.length / few));
  for (const [name, x] of all.filter((_, i) => i % stride === 0))
    expect(await x.read(), name).toEqual(hashed(name, x.shape));
  net.dispose();
}

/** An open file that was never written: `before` stands in front of every key. Counts what is read of it. */
function file(weights: ReadonlyMap<string, Outgoing>, before = "", path = "made.ckpt") {
  const asked: string[] = [];
  const lazy = ([name, { shape, dtype, read }]: [string, Outgoing]): [string, Lazy] => {
    const tensor = () => {
      asked.push(name);
      return { shape: [...shape], dtype, data: read() } as HostTensor;
    };
    return [before + name, { shape: [...shape], dtype, read: tensor }];
  };
  return { file: new LazyTensors(path, "torch zip", new Map([...weights].map(lazy))), asked };
}

const extra = (names: readonly string[], shape: readonly number[] = [3]): [string, Outgoing][] =>
  names.map((name) => [name, { shape, dtype: "f32", read: () => new Float32Array(shape.reduce((a, b) => a * b, 1)) }]);

const messageOf = async (work: Promise<unknown>): Promise<string> =>
  (
    await work.then(
      () => "nothing was refused",
      (error: Error) => error.message,
    )
  ).replaceAll(`${folder}/`, "");

describe("formats", () => {
  test.each(["safetensors", "pth", "npz"])("why: .%s must give the same bits", async (ending) => {
    const path = join(folder, `r.${ending}`);
    const weights = weightsOf(recogniser());
    if (ending === "npz") await writeNpz(path, weights);
    else if (ending === "pth") await writeTorch(path, weights);
    else await writeSafetensorsStream(path, weights, { net: "ir_tiny" });
    const net = recogniser();
    const metadata = await loadCheckpoint(net, path);
    expect(metadata.get("net")).toBe(ending === "safetensors" ? "ir_tiny" : undefined);
    await expectLoaded(net);
  });
});

describe("what stands before the keys", () => {
  test.each(["", "module.", "_module.module.eps_model.", "state_dict.", "state_dict.model._orig_mod.", "net.ema."])(
    "why: trainers wrap a net in other modules: %j",
    async (before) => {
      const net = recogniser();
      await loadCheckpoint(net, [file(weightsOf(net), before).file]);
      await expectLoaded(net, 10);
    },
  );

  test("why: a checkpoint holds more than the net, and none of that may be read or missed", async () => {
    const weights = weightsOf(recogniser());
    const counters = [...weights.keys()]
      .filter((name) => name.endsWith("running_var"))
      .map((name) => name.replace("running_var", "num_batches_tracked"));
    const others = extra([...counters, "betas", "alpha_bars"]);
    const { file: all, asked } = file(new Map([...weights, ...others]), "module.");
    const state = file(new Map(extra(["optimizer.state.0.exp_avg", "epoch"]))).file;
    const both = new LazyTensors(
      "both.ckpt",
      "torch zip",
      new Map(
        [...all.names, ...state.names].map((name) => [
          name,
          all.has(name)
            ? { ...all.info(name), read: () => all.read(name) }
            : { ...state.info(name), read: () => state.read(name) },
        ]),
      ),
    );
    const net = recogniser();
    await loadCheckpoint(net, [both]);
    expect(asked.sort()).toEqual([...weights.keys()].sort()); // each once
    await expectLoaded(net);
  });

  test("why: of two copies the averaged one is to sample with; of two that no name tells apart, neither", async () => {
    const weights = weightsOf(recogniser());
    const twice = (a: string, b: string) => {
      const zeros = [...weights].map(([name, t]): [string, Outgoing] => [
        a + name,
        { ...t, read: () => new Float32Array(t.shape.reduce((x, y) => x * y, 1)) },
      ]);
      return file(new Map([...zeros, ...[...weights].map(([name, t]): [string, Outgoing] => [b + name, t])])).file;
    };
    const net = recogniser();
    await loadCheckpoint(net, [twice("model.", "model_ema.")]);
    await expectLoaded(net);
    expect(await messageOf(loadCheckpoint(recogniser(), [twice("teacher.", "student.")]))).toMatchInlineSnapshot(`
      "made.ckpt holds this net 2 times: behind "teacher." and "student.".
      Make a file of the one you want: uiface convert made.ckpt one.safetensors --only teacher."
    `);
  });
});

describe("the autoencoder's layouts", () => {
  const half = (part: "encoder" | "decoder") =>
    new Map([...weightsOf(vqgan())].filter(([name]) => halves[part].test(name)));

  test.each(["encoder", "decoder"] as const)(
    "why: IDiff-Face has two files; naming the %s's must load both",
    async (part) => {
      const [a, b] = ["first_stage_encoder_state_dict.pt", "first_stage_decoder_state_dict.pt"].map((name) =>
        join(folder, name),
      ) as [string, string];
      await writeTorch(a, half("encoder"));
      await writeTorch(b, half("decoder"));
      const net = vqgan();
      await loadCheckpoint(net, part === "encoder" ? a : b);
      await expectLoaded(net, 20);
      expect(checkpointFiles(join(folder, "autoencoder.pt"))).toEqual([join(folder, "autoencoder.pt")]);
    },
  );

  test("why: one half alone is half a net", async () => {
    const path = join(folder, "lonely_encoder.pt");
    await writeTorch(path, half("encoder"));
    expect(await messageOf(loadCheckpoint(vqgan(), path))).toMatchInlineSnapshot(`
      "lonely_encoder.pt does not fit the autoencoder "tiny": 64 of 153 tensors match, 89 are missing.
        missing  decoder.conv_in.weight (64, 3, 3, 3), decoder.conv_in.bias (64), decoder.mid.block_1.norm1.weight (64), decoder.mid.block_1.norm1.bias (64), decoder.mid.block_1.conv1.weight (64, 64, 3, 3), decoder.mid.block_1.conv1.bias (64), decoder.mid.block_1.norm2.weight (64), decoder.mid.block_1.norm2.bias (64), and 81 more
      This is the encoder of the autoencoder "tiny", 281,231 parameters. Put the decoder's file beside it, called alike but for that word. Nothing was loaded."
    `);
  });

  test("why: vq-f4's own checkpoint has a discriminator among the keys, and an optimiser beside them", async () => {
    const path = join(folder, "model.ckpt");
    const value = new Map<string, TorchValue>([
      ["epoch", 12],
      [
        "state_dict",
        new Map([
          ...weightsOf(vqgan()),
          ...extra(["loss.discriminator.main.0.bias", "loss.perceptual_loss.lin0.model.1.weight"]),
        ]),
      ],
      ["optimizer_states", [new Map([["state", new Map([[0, new Map(extra(["exp_avg"]))]])]])]],
    ]);
    await writeTorch(path, value);
    const net = vqgan();
    expect((await loadCheckpoint(net, path)).get("epoch")).toBe("12");
    await expectLoaded(net, 20);
  });

  test("why: in latent diffusion's checkpoint the autoencoder is one net of three", async () => {
    const weights = [...weightsOf(vqgan())].map(([name, t]): [string, Outgoing] => [
      `state_dict.first_stage_model.${name}`,
      t,
    ]);
    const others = extra([
      "state_dict.model.diffusion_model.out.2.weight",
      "state_dict.cond_stage_model.w",
      "state_dict.model_ema.decay",
      "state_dict.betas",
    ]);
    const net = vqgan();
    await loadCheckpoint(net, [file(new Map([...others, ...weights])).file]);
    await expectLoaded(net, 20);
  });
});

describe("refused", () => {
  test("why: a net half loaded is a silent wrong net", async () => {
    const weights = weightsOf(recogniser());
    weights.delete("body.0.res_layer.1.weight");
    weights.set("output_layer.3.bias", { shape: [1, 128], dtype: "f32", read: () => new Float32Array(128) });
    for (const [name, tensor] of extra(["class_emb.weight"], [10572, 256])) weights.set(name, tensor);
    const net = recogniser().init(0);
    const before = await net.stateDict().get("input_layer.0.weight")!.read();
    expect(await messageOf(loadCheckpoint(net, [file(weights, "module.").file]))).toMatchInlineSnapshot(`
      "made.ckpt does not fit the recogniser "ir_tiny": 87 of 89 tensors match, 1 is missing, 1 is not known, 1 is wrong.
        missing  body.0.res_layer.1.weight (16, 16, 3, 3)
        unknown  class_emb.weight (10572, 256)
        wrong    output_layer.3.bias is (1, 128), not (128)
      \`uiface inspect made.ckpt\` shows what it holds. Nothing was loaded."
    `);
    expect(await net.stateDict().get("input_layer.0.weight")!.read()).toEqual(before);
    net.dispose();
  });

  test("why: the message names the net that the file is of", async () => {
    const message = await messageOf(loadCheckpoint(recogniser(), [file(weightsOf(vqgan())).file]));
    expect(message.split("\n").at(-1)).toMatchInlineSnapshot(
      `"This is the autoencoder "tiny", 732,286 parameters: \`uiface train diffusion --vqgan made.ckpt --vqgan-net tiny\` takes it. Nothing was loaded."`,
    );
    const unknown = await messageOf(loadCheckpoint(recogniser(), [file(new Map(extra(["a", "b"]))).file]));
    expect(unknown).toMatchInlineSnapshot(`
      "made.ckpt does not fit the recogniser "ir_tiny": 0 of 89 tensors match, 89 are missing, 2 are not known.
        missing  input_layer.0.weight (16, 3, 3, 3), input_layer.1.weight (16), input_layer.1.bias (16), input_layer.1.running_mean (16), input_layer.1.running_var (16), input_layer.2.weight (16), output_layer.0.weight (128), output_layer.0.bias (128), and 81 more
        unknown  a (3), b (3)
      \`uiface inspect made.ckpt\` shows what it holds. Nothing was loaded."
    `);
  });

  test("why: IDiff-Face's net and the paper's differ in one tensor, and which is which must be said", async () => {
    const keys = JSON.parse(readFileSync(join(goldenDir(), "unet_full.keys.json"), "utf8")) as Record<string, number[]>;
    const listed = (names: string[]) => file(new Map(names.flatMap((name) => extra([name], keys[name])))).file;
    const all = Object.keys(keys);
    const paper = new UNet(unets.unet_cond_ca_cpd25_uncond20);
    const idiff = new UNet(unets.unet_cond_ca_cpd25);
    expect(
      await messageOf(loadCheckpoint(paper, [listed(all.filter((name) => name !== "empty_context_embedding"))])),
    ).toMatchInlineSnapshot(`
      "made.ckpt does not fit the diffusion model "unet_cond_ca_cpd25_uncond20": 842 of 843 tensors match, 1 is missing.
        missing  empty_context_embedding (256)
      This is the diffusion model "unet_cond_ca_cpd25", 216,341,187 parameters: \`uiface train diffusion --net unet_cond_ca_cpd25 --init made.ckpt\` takes it. Nothing was loaded."
    `);
    expect(await messageOf(loadCheckpoint(idiff, [listed(all)]))).toMatchInlineSnapshot(`
      "made.ckpt does not fit the diffusion model "unet_cond_ca_cpd25": 842 of 842 tensors match, 1 is not known.
        unknown  empty_context_embedding (256)
      This is the diffusion model "unet_cond_ca_cpd25_uncond20", 216,341,443 parameters: \`uiface train diffusion --net unet_cond_ca_cpd25_uncond20 --init made.ckpt\` takes it. Nothing was loaded."
    `);
  });
});

describe("the folder of `sample --weights`", () => {
  test("why: files keep the names and formats they were published in, and say themselves which net they are", async () => {
    const home = join(folder, "nets");
    mkdirSync(home);
    const weights = weightsOf(vqgan());
    const part = (name: "encoder" | "decoder") => new Map([...weights].filter(([key]) => halves[name].test(key)));
    await writeTorch(join(home, "first_stage_encoder_state_dict.pt"), part("encoder"));
    await writeTorch(join(home, "first_stage_decoder_state_dict.pt"), part("decoder"));
    await writeTorch(join(home, "Backbone_Epoch_20_checkpoint.pth"), weightsOf(recogniser()));
    const unet = weightsOf(new UNet(unets.tiny));
    await writeTorch(
      join(home, "ema_averaged_model_7.ckpt"),
      new Map([...unet].map(([name, t]) => [`module.eps_model.${name}`, t])),
    );
    const nets = await openNets(home);
    expect(nets.latent).toEqual([3, 16, 16]);
    expect(nets.unet.config).toBe(unets.tiny);
    for (const net of [nets.vqgan, nets.recogniser, nets.unet]) await expectLoaded(net, 10);

    copyFileSync(join(home, "ema_averaged_model_7.ckpt"), join(home, "ema_averaged_model_8.ckpt"));
    expect(await messageOf(openNets(home))).toMatchInlineSnapshot(`
      "nets holds 2 nets for "diffusion": ema_averaged_model_7.ckpt, ema_averaged_model_8.ckpt.
      Leave one of them there."
    `);
    rmSync(join(home, "ema_averaged_model_8.ckpt"));
    copyFileSync(join(home, "Backbone_Epoch_20_checkpoint.pth"), join(home, "ema_averaged_model_7.ckpt"));
    expect(await messageOf(openNets(home))).toMatchInlineSnapshot(`
      "nets/ema_averaged_model_7.ckpt should hold the net "diffusion", but it looks like the recogniser "ir_tiny", 570,576 parameters.
      \`uiface inspect nets/ema_averaged_model_7.ckpt\` says more."
    `);
  });
});
