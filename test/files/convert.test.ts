// What a conversion does to names, types and what else a file holds; the authors' layouts, key by key.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encode, type Outgoing } from "../../engine/io/encode.js";
import type { HostArray, HostDtype } from "../../engine/io/host.js";
import { readNpy } from "../../engine/io/npy.js";
import { openTensors } from "../../engine/io/open.js";
import { openSafetensors, writeSafetensorsStream } from "../../engine/io/safetensors.js";
import { type TorchValue, writeTorch } from "../../engine/io/torch-write.js";
import { authorsLayout } from "../../files/authors.js";
import { type ConvertOptions, convert } from "../../files/convert.js";
import { goldenDir } from "../golden.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uiface-convert-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const tensor = (dtype: HostDtype, data: HostArray, shape = [data.length]): Outgoing => ({
  dtype,
  shape,
  read: () => data,
});
const floats = (...values: number[]) => tensor("f32", Float32Array.from(values));

const go = async (from: string, to: string, options: ConvertOptions = {}) => {
  const done = await convert(at(from), at(to), { force: true, ...options });
  return { changes: done.changes, file: await openTensors(at(to)) };
};
const messageOf = async (work: Promise<unknown>) =>
  (
    await work.then(
      () => "nothing was refused",
      (error: Error) => error.message,
    )
  ).replaceAll(`${folder}/`, "");

describe("names", () => {
  beforeAll(() =>
    writeTorch(
      at("net.ckpt"),
      new Map([
        [
          "state_dict",
          new Map([
            ["a.w", floats(1)],
            ["b.w", floats(2)],
          ]),
        ],
        ["other", new Map([["a.w", floats(3)]])],
      ]),
    ),
  );

  test("why: a net lies in a checkpoint under other names than it is wanted", async () => {
    const { file, changes } = await go("net.ckpt", "n.safetensors", {
      only: ["state_dict.", "nothing."],
      strip: "state_dict.",
      prefix: "eps_model.",
    });
    expect(file.names).toEqual(["eps_model.a.w", "eps_model.b.w"]);
    expect([...file.read("eps_model.b.w").data]).toEqual([2]);
    expect(changes).toEqual([
      "1 tensor of 3 left out",
      '"state_dict." taken from 2 names',
      '"eps_model." put before every name',
    ]);
  });

  test("why: a prefix that is nowhere is a slip of the pen, and two tensors of one name are a lost one", async () => {
    expect(await messageOf(go("net.ckpt", "n.pt", { only: ["statedict."] }))).toMatchInlineSnapshot(
      `"No name in net.ckpt begins with statedict.; there are state_dict.a.w, state_dict.b.w, other.a.w."`,
    );
    expect(await messageOf(go("net.ckpt", "n.pt", { strip: "model." }))).toMatchInlineSnapshot(
      `"No name in net.ckpt begins with model.; there are state_dict.a.w, state_dict.b.w, other.a.w."`,
    );
    await writeTorch(
      at("two.pt"),
      new Map<string, TorchValue>([
        ["m", new Map([["x", floats(1)]])],
        ["x", floats(2)],
      ]),
    );
    expect(await messageOf(go("two.pt", "n.pt", { strip: "m." }))).toMatchInlineSnapshot(
      `"Two tensors would be called x. Choose with --only."`,
    );
  });
});

describe("types", () => {
  const all: [string, Outgoing][] = [
    ["f32", floats(1, -0, Number.NaN, 1 / 3)],
    ["f16", tensor("f16", Float32Array.of(1.5, 2 ** -24))],
    ["bf16", tensor("bf16", Float32Array.of(1.5, 3e38))],
    ["f64", tensor("f64", Float64Array.of(Math.PI))],
    ["u16", tensor("u16", Uint16Array.of(65535))],
    ["u32", tensor("u32", Uint32Array.of(2 ** 32 - 1))],
    ["i64", tensor("i64", BigInt64Array.of(-(2n ** 63n)))],
    ["bool", tensor("bool", Uint8Array.of(1, 0))],
  ];
  beforeAll(() => writeSafetensorsStream(at("types.safetensors"), new Map(all), { net: "tiny" }));

  const types = async (to: string, options: ConvertOptions = {}) => {
    const { file, changes } = await go("types.safetensors", to, options);
    return { changes, types: Object.fromEntries(file.names.map((name) => [name, file.info(name).dtype])), file };
  };

  test("why: each format keeps what it can hold, bit for bit, and says what it cannot", async () => {
    const torch = await types("t.pt");
    expect(torch.types).toMatchObject({ f16: "f16", bf16: "bf16", u16: "i32", u32: "i64", i64: "i64", bool: "bool" });
    expect([...torch.file.read("u32").data]).toEqual([2n ** 32n - 1n]);
    expect(torch.changes).toEqual([
      "1 tensor stored, u32 as i64",
      "1 tensor stored, u16 as i32",
      "metadata left out, which the format has no place for: net",
    ]);
    const npz = await types("t.npz");
    expect(npz.types).toMatchObject({ bf16: "f32", u16: "u16", u32: "u32", f16: "f16" });
    for (const [name, { dtype, read }] of all) {
      if (npz.types[name] !== dtype) continue;
      const bytes = (data: HostArray) => Buffer.from(encode("", name, { data }, dtype)).toString("hex");
      expect(bytes(npz.file.read(name).data), name).toBe(bytes(read() as HostArray));
    }
  });

  test("why: half the bytes, and integers as they are", async () => {
    await writeSafetensorsStream(at("small.safetensors"), new Map(all.filter(([name]) => name !== "bf16")), {
      net: "tiny",
    });
    const { file } = await go("small.safetensors", "h.safetensors", { f16: true });
    expect(Object.fromEntries(file.names.map((name) => [name, file.info(name).dtype]))).toMatchObject({
      f32: "f16",
      f64: "f16",
      u32: "u32",
      i64: "i64",
    });
    expect(file.metadata.get("net")).toBe("tiny");
    expect(await messageOf(types("h.pt", { f16: true }))).toContain('tensor "bf16" holds 3.004');
  });

  test("why: float8 is read and never written, and float16 holds every value of it", async () => {
    const from = join(goldenDir(), "formats", "files", "all.safetensors");
    await convert(from, at("f8.safetensors"), { force: true });
    const [before, after] = [openSafetensors(from), openSafetensors(at("f8.safetensors"))];
    for (const name of before.names.filter((n) => before.info(n).dtype.startsWith("f8"))) {
      expect(after.info(name).dtype, name).toBe("f16");
      expect(after.read(name).data, name).toEqual(before.read(name).data);
    }
  });
});

describe("contexts", () => {
  test("why: IDiff-Face keeps identities as a dict, the sampler takes rows", async () => {
    await writeTorch(
      at("contexts.pt"),
      new Map([
        ["b", tensor("f32", Float32Array.of(1, 2, 3), [1, 3])],
        ["a", floats(4, 5, 6)],
      ]),
    );
    const { changes } = await go("contexts.pt", "rows.npy");
    expect(readNpy(at("rows.npy"))).toEqual({ shape: [2, 3], dtype: "f32", data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(changes).toEqual(["names left out: row 0 is b, row 1 is a"]);
  });

  test("why: an .npy is one array", async () => {
    await writeTorch(at("one.pt"), new Map([["w", tensor("f32", Float32Array.of(1, 2), [1, 2])]]));
    await go("one.pt", "one.npy");
    expect(readNpy(at("one.npy")).shape).toEqual([1, 2]);
    await writeTorch(
      at("mixed.pt"),
      new Map([
        ["w", floats(1, 2)],
        ["v", floats(1)],
      ]),
    );
    expect(await messageOf(go("mixed.pt", "m.npy"))).toMatchInlineSnapshot(`
      "An .npy holds one array, and these 2 tensors are not vectors of one length: w is (2), v is (1).
      Choose one with --only, or write an .npz."
    `);
  });
});

describe("the authors' layouts", () => {
  const keysOf = (name: string) =>
    JSON.parse(readFileSync(join(goldenDir(), `${name}.keys.json`), "utf8")) as Record<string, number[]>;
  /** The net without its counters, as our own files have it, in another order. */
  const ours = (keys: Record<string, number[]>) =>
    new Map(
      Object.entries(keys)
        .filter(([key]) => !key.endsWith("num_batches_tracked"))
        .reverse()
        .map(([key, shape]): [string, Outgoing] => [key, { shape, dtype: "f32", read: () => new Float32Array(0) }]),
    );
  const layoutOf = (path: string, keys: Record<string, number[]>) =>
    authorsLayout(path, ours(keys), []) as Map<string, Outgoing>;

  test.each(["ir_18", "ir_50", "iresnet50"])(
    "why: TFace loads strictly: %s has every key in its order, counters too",
    (name) => {
      const keys = keysOf(name);
      const layout = layoutOf("Backbone_Epoch_20_checkpoint.pth", keys);
      expect([...layout].map(([key, { shape }]) => [key, [...shape]])).toEqual(Object.entries(keys));
    },
  );

  test("why: the diffusion module holds its schedule beside the net", () => {
    const keys = keysOf("unet_full");
    const layout = layoutOf("ema_averaged_model_900000.ckpt", keys);
    const [buffers, net] = [[...layout].slice(0, 8), [...layout].slice(8)];
    expect(net.map(([key, { shape }]) => [key, [...shape]])).toEqual(
      Object.entries(keys).map(([key, shape]) => [`eps_model.${key}`, shape]),
    );
    expect(buffers.map(([key]) => key)).toEqual([
      "betas",
      "alphas",
      "sigmas",
      "sqrt_alphas_inv",
      "alpha_bars",
      "sqrt_alpha_bars",
      "sqrt_one_minus_alpha_bars",
      "one_minus_alphas_over_sqrt_one_minus_alpha_bars",
    ]);
    const betas = layout.get("betas")!.read() as Float32Array;
    expect([betas.length, betas[0], betas[999]]).toEqual([1000, Math.fround(1e-4), Math.fround(0.02)]);
  });

  test("why: the autoencoder lies in two files, or in one below state_dict", () => {
    const keys = keysOf("vq_full");
    const encoder = [...layoutOf("first_stage_encoder_state_dict.pt", keys).keys()];
    const decoder = [...layoutOf("first_stage_decoder_state_dict.pt", keys).keys()];
    expect(encoder.every((key) => /^(encoder|quant_conv)\./.test(key))).toBe(true);
    expect(decoder.every((key) => /^(decoder|post_quant_conv|quantize)\./.test(key))).toBe(true);
    expect([...encoder, ...decoder].sort()).toEqual(Object.keys(keys).sort());
    const whole = authorsLayout("model.ckpt", ours(keys), []) as Map<string, Map<string, Outgoing>>;
    expect([...whole.keys()]).toEqual(["state_dict"]);
    expect([...whole.get("state_dict")!.keys()]).toEqual(Object.keys(keys));
  });

  test("why: there is no such layout for anything else", async () => {
    await writeTorch(at("any.pt"), new Map([["w", floats(1)]]));
    expect(await messageOf(go("any.pt", "x.pth", { layout: "authors" }))).toMatchInlineSnapshot(
      `"The authors have no layout for one array. Leave out --layout."`,
    );
    expect(await messageOf(go("any.pt", "x.npz", { layout: "authors" }))).toMatchInlineSnapshot(
      `"--layout authors is a PyTorch file: name one that ends in .pt, .pth or .ckpt, not x.npz."`,
    );
  });
});
