// Exported ONNX files, run by onnxruntime (WebAssembly) against the nets they came from, and checked by the Python packages onnx
// and onnxruntime where these are installed. Nets without shipped weights have weights that are a function of their names.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-web";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { FileError, UsageError } from "../../engine/errors.js";
import type { HostTensor } from "../../engine/io/host.js";
import { writeNpy } from "../../engine/io/npy.js";
import { OnnxGraph, writeOnnx } from "../../engine/io/onnx.js";
import { onnxMessages } from "../../engine/io/onnx-proto.js";
import { openTensors } from "../../engine/io/open.js";
import { LazyTensors, type TensorFile } from "../../engine/io/tensor-file.js";
import type { Module } from "../../engine/nn.js";
import { scope } from "../../engine/scope.js";
import { noGrad } from "../../engine/tape.js";
import { type Shape, type Tensor, tensor } from "../../engine/tensor.js";
import { unets, vqgans } from "../../models/configs.js";
import { backbones } from "../../models/iresnet.js";
import { type ExportOptions, exportOnnx } from "../../models/onnx.js";
import { recogniserGraph } from "../../models/onnx-recogniser.js";
import { decoderGraph } from "../../models/onnx-vqgan.js";
import { UNet } from "../../models/unet.js";
import { VqGan } from "../../models/vqgan.js";
import { hashed, paramValue, relativeError } from "../golden.js";

/** Float32 against float32 with another order of additions (golden/README.md). */
const BOUND = 1e-4;
const { ModelProto } = await onnxMessages();
const SHIPPED = "weights/recogniser.safetensors";

const folder = mkdtempSync(join(tmpdir(), "onnx-"));
const at = (name: string) => join(folder, name);
let dev: Device;
beforeAll(async () => {
  ort.env.wasm.numThreads = 1;
  dev = await openDevice({ poison: true });
});
afterAll(() => {
  dev.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A file with every tensor of a net, made of its names; `change` may leave some out (undefined) or put others in their place. */
function fileOf(net: Module, change: (name: string, made: HostTensor) => HostTensor | undefined = (_, made) => made) {
  const tensors = net.entries().flatMap(([name, { shape }]) => {
    const made = change(name, { shape: [...shape], dtype: "f32", data: paramValue(name, shape) });
    return made ? ([[name, { shape: made.shape, dtype: made.dtype, read: () => made }]] as const) : [];
  });
  return new LazyTensors("hashed weights", "safetensors", new Map(tensors));
}

interface Case {
  net: Module;
  from: TensorFile;
  forward: (x: Tensor) => Tensor;
  options?: ExportOptions;
}

/** The file of a case. */
async function exported(name: string, { from, options = {} }: Case) {
  const path = at(`${name}.onnx`);
  return { path, report: await exportOnnx(from, path, options) };
}

/** The net's own output. */
async function own({ net, from, forward }: Case, x: Float32Array, shape: Shape): Promise<Float32Array> {
  net.load(from);
  const y = await scope(async () => (await noGrad(() => forward(tensor(x, shape))).read()) as Float32Array);
  net.dispose();
  return y;
}

async function ran(path: string, x: Float32Array, shape: Shape): Promise<{ data: Float32Array; dims: Shape }> {
  const session = await ort.InferenceSession.create(path);
  const input = new ort.Tensor("float32", x, [...shape]);
  const outputs = await session.run({ [session.inputNames[0]!]: input });
  const y = outputs[session.outputNames[0]!]!;
  await session.release();
  return { data: y.data as Float32Array, dims: y.dims };
}

const shippedCase = async (options?: ExportOptions): Promise<Case> => {
  const net = backbones.ir_tiny();
  return { net, from: await openTensors(SHIPPED), forward: (x) => net.forward(x), ...(options && { options }) };
};

const recogniserCase = (name: keyof typeof backbones): Case => {
  const net = backbones[name]();
  return { net, from: fileOf(net), forward: (x) => net.forward(x), options: { net: name } };
};
const iresnetCase = () => recogniserCase("iresnet18");

const vqganCase = (codes: boolean, name: keyof typeof vqgans = "tiny"): Case => {
  const net = new VqGan(vqgans[name]);
  const forward = (z: Tensor) => (codes ? net.decodeCodes(z) : net.decode(z));
  return { net, from: fileOf(net), forward, options: { net: name, codes } };
};

describe("the exported file gives the net's numbers", () => {
  test("why: the shipped recogniser, IR blocks with and without a projection, any batch", async () => {
    const made = await shippedCase();
    const { path, report } = await exported("recogniser", made);
    expect(report.inputs).toEqual([{ name: "image", dtype: "f32", shape: ["batch", 3, 64, 64] }]);
    const [x, shape] = [hashed("faces", [3, 3, 64, 64]), [3, 3, 64, 64]];
    const want = await own(made, x, shape);
    const got = await ran(path, x, shape);
    expect(got.dims).toEqual([3, 128]);
    expect(relativeError(got.data, want)).toBeLessThan(BOUND);
    const last = await ran(path, x.slice(2 * 3 * 64 * 64), [1, 3, 64, 64]);
    expect(relativeError(last.data, want.slice(2 * 128))).toBeLessThan(BOUND);
  });

  test("why: an iresnet, whose features have a bias and whose stages all begin with a projection", async () => {
    const made = iresnetCase();
    const { path } = await exported("iresnet18", made);
    const [x, shape] = [hashed("faces", [2, 3, 112, 112]), [2, 3, 112, 112]];
    expect(relativeError((await ran(path, x, shape)).data, await own(made, x, shape))).toBeLessThan(BOUND);
  });

  test.each([
    { why: "latents go to their nearest codes first", codes: false, sides: [16, 16] },
    { why: "sides are the caller's, and need not be equal", codes: false, sides: [8, 12] },
    { why: "codes are taken as they are", codes: true, sides: [8, 8] },
  ])("why: $why", async ({ codes, sides: [h, w] }) => {
    const made = vqganCase(codes);
    const { path } = await exported(`vqgan ${codes}`, made);
    const shape = [2, 3, h!, w!];
    const x = hashed("latents", shape, 1.2);
    const got = await ran(path, x, shape);
    expect(got.dims).toEqual([2, 3, 4 * h!, 4 * w!]);
    expect(relativeError(got.data, await own(made, x, shape))).toBeLessThan(BOUND);
  });

  test("why: the two forms of a decoder differ, or one of them was not tested", async () => {
    const x = hashed("latents", [1, 3, 8, 8], 1.2);
    const [z, codes] = [await exported("vqgan z", vqganCase(false)), await exported("vqgan codes", vqganCase(true))];
    const got = (await ran(z.path, x, [1, 3, 8, 8])).data;
    expect(relativeError(got, (await ran(codes.path, x, [1, 3, 8, 8])).data)).toBeGreaterThan(0.01);
  });

  test("why: 16-bit weights halve the file, and those that had 16 bits before lose nothing", async () => {
    const [whole, half] = ["f32", "f16"] as const;
    const x = hashed("faces", [1, 3, 64, 64]);
    const f32 = (await exported(whole, await shippedCase({ float: whole }))).path;
    const f16 = (await exported(half, await shippedCase({ float: half }))).path;
    expect(statSync(f16).size).toBeLessThan(0.55 * statSync(f32).size);
    const want = (await ran(f32, x, [1, 3, 64, 64])).data;
    expect(relativeError((await ran(f16, x, [1, 3, 64, 64])).data, want)).toBeLessThan(1e-6);
  });
});

describe("what is in the file", () => {
  test("why: the tensors tell which net it is, behind whatever a trainer put before the keys", async () => {
    const net = backbones.iresnet18();
    const plain = fileOf(net);
    const nested = plain.names.map((name) => [`state_dict.model.${name}`, lazy(plain, name)] as const);
    const path = at("nested.onnx");
    expect((await exportOnnx(new LazyTensors("nested", "torch zip", new Map(nested)), path)).net).toBe("iresnet18");
    const names = readModel(path).graph.initializer.map((t) => t.name);
    expect(names).toEqual(expect.arrayContaining(plain.names));
  });

  test.each(Object.keys(backbones) as (keyof typeof backbones)[])("why: %s uses every tensor of its net", (name) => {
    const net = backbones[name]();
    const { initialisers } = recogniserGraph(name, net);
    const weights = [...initialisers.values()].filter(({ values }) => !values);
    expect(new Map(weights.map((w) => [w.name, size(w.shape)]))).toEqual(keysOf(net, /./));
  });

  test.each(Object.keys(vqgans) as (keyof typeof vqgans)[])("why: %s uses every tensor of its decoder", (name) => {
    const net = new VqGan(vqgans[name]);
    const weights = [...decoderGraph(name, net).initialisers.values()].filter(({ values }) => !values);
    expect(new Map(weights.map((w) => [w.name, size(w.shape)]))).toEqual(keysOf(net, /^(?!encoder|quant_conv)/));
  });

  test("why: keys and bits of the checkpoint, and how to make the input", async () => {
    const { path, report } = await exported("recogniser", await shippedCase());
    const from = await openTensors(SHIPPED);
    const file = readModel(path);
    const held = new Map(file.graph.initializer.map((t) => [t.name, t]));
    for (const name of from.names) {
      const { data } = from.read(name);
      const bits = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      expect(Buffer.compare(held.get(name)!.raw_data, bits), name).toBe(0);
    }
    expect(Object.fromEntries(file.metadata_props.map(({ key, value }) => [key, value]))).toEqual(report.metadata);
    expect(report.metadata).toMatchObject({ net: "ir_tiny", "input.channels": "RGB" });
    expect(report.metadata["input.range"]).toContain("[-1, 1]");
    expect(report.bytes).toBe(statSync(path).size);
  });
});

describe("refusals", () => {
  const net = backbones.ir_tiny();
  const refused = async (from: TensorFile, options: ExportOptions = { net: "ir_tiny" }) => {
    const path = at("refused.onnx");
    try {
      await exportOnnx(from, path, options);
    } catch (error) {
      expect(existsSync(path)).toBe(false);
      return error as Error;
    }
    throw new Error("It was not refused.");
  };

  test("why: a net without one of its tensors is another net", async () => {
    const error = await refused(fileOf(net, (name, made) => (name === "output_layer.3.bias" ? undefined : made)));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toContain("output_layer.3.bias");
  });

  test("why: half precision ends at 65504, and infinity would go unnoticed", async () => {
    const big = (name: string, made: HostTensor): HostTensor =>
      name === "input_layer.0.weight" ? { ...made, data: new Float32Array(made.data.length).fill(7e4) } : made;
    const error = await refused(fileOf(net, big), { net: "ir_tiny", float: "f16" });
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(/input_layer\.0\.weight.*70000.*65504/);
  });

  test("why: a net that is none of ours, or has no graph here, is called what it is", async () => {
    const other = await refused(new LazyTensors("other", "npy", new Map()), {});
    expect(other).toBeInstanceOf(FileError);
    expect(other.message).toContain("--net");
    expect((await refused(fileOf(new UNet(unets.tiny)), {})).message).toContain("diffusion model");
  });

  test("why: options that cannot be meant", async () => {
    expect(await refused(fileOf(net), { net: "ir50" })).toBeInstanceOf(UsageError);
    expect(await refused(fileOf(net), { net: "ir_tiny", codes: true })).toBeInstanceOf(UsageError);
  });

  test("why: two values of one name would be one value", () => {
    const g = new OnnxGraph("twice");
    g.input("x", [1]);
    expect(() => g.input("x", [1])).toThrow(/two values called x/);
  });

  test("why: a weight of the wrong length would shift all behind it", async () => {
    const g = new OnnxGraph("short");
    g.output("y", g.node("Add", [g.input("x", [3]), g.weight("w", [3])]), [3]);
    const short: HostTensor = { shape: [2], dtype: "f32", data: new Float32Array(2) };
    await expect(writeOnnx(at("short.onnx"), g, () => short)).rejects.toThrow(/w takes 12 bytes as \(3\), 8 came/);
    expect(existsSync(at("short.onnx"))).toBe(false);
  });
});

const python = process.platform === "win32" ? "python" : "python3";
const hasPython = spawnSync(python, ["-c", "import onnx, onnxruntime"]).status === 0;
const missing = hasPython ? "" : ` (${python} with onnx, onnxruntime and numpy is missing)`;

/** Every net of the paper that can be exported: minutes, and a gigabyte of files. */
const fullSize: { name: string; made: () => Case; shape: number[] }[] = [
  ...(["ir_18", "ir_34", "ir_50", "ir_101", "iresnet34", "iresnet50", "iresnet100"] as const).map((name) => ({
    name,
    made: () => recogniserCase(name),
    shape: [1, 3, 112, 112],
  })),
  { name: "vq-f4", made: () => vqganCase(false, "vq-f4"), shape: [1, 3, 8, 8] },
];

describe.skipIf(!hasPython)(`Python's onnx and onnxruntime agree${missing}`, () => {
  const script = fileURLToPath(new URL("onnx_check.py", import.meta.url));
  const asked = (args: string[], input = "") => {
    const { status, stdout, stderr } = spawnSync(python, [script, ...args], { input, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  test("why: our field numbers are the official ones", () => {
    const numbers = Object.fromEntries(
      messages(ModelProto.root.nested!.onnx as { nested?: object }).map(({ fullName, fields }) => [
        fullName.replace(/^\.onnx\./, ""),
        Object.fromEntries(Object.values(fields).map(({ name, id }) => [name, id])),
      ]),
    );
    expect(Object.keys(numbers).length).toBeGreaterThan(10);
    expect(asked(["fields"], JSON.stringify(numbers))).toEqual({ wrong: [] });
  });

  test.each([
    { name: "recogniser", made: () => shippedCase(), shape: [2, 3, 64, 64] },
    { name: "recogniser f16", made: () => shippedCase({ float: "f16" }), shape: [2, 3, 64, 64] },
    { name: "iresnet18", made: iresnetCase, shape: [1, 3, 112, 112] },
    { name: "decoder", made: () => vqganCase(false), shape: [2, 3, 8, 12] },
    { name: "decoder of codes", made: () => vqganCase(true), shape: [2, 3, 8, 12] },
    ...(process.env.PARITY === "all" ? fullSize : []),
  ])("why: $name passes the checker and gives the net's numbers", async ({ name, made, shape }) => {
    const it = await made();
    const { path } = await exported(`python ${name}`, it);
    const x = hashed("python", shape);
    const y = await own(it, x, shape);
    writeNpy(at("x.npy"), { shape: [...shape], dtype: "f32", data: x });
    writeNpy(at("y.npy"), { shape: [y.length], dtype: "f32", data: Float32Array.from(y) });
    const { error, opset } = asked(["run", path, at("x.npy"), at("y.npy")]);
    expect(opset).toBe(17);
    expect(error).toBeLessThan(BOUND);
  });
});

const size = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

const lazy = (file: TensorFile, name: string) => ({ ...file.info(name), read: () => file.read(name) });

const keysOf = (net: Module, which: RegExp): Map<string, number> =>
  new Map(
    net
      .entries()
      .filter(([name]) => which.test(name))
      .map(([name, { shape }]) => [name, size(shape)]),
  );

interface Model {
  metadata_props: { key: string; value: string }[];
  graph: { initializer: { name: string; raw_data: Buffer }[] };
}

const readModel = (path: string): Model => ModelProto.decode(readFileSync(path)) as unknown as Model;

interface Message {
  fullName: string;
  fields: Record<string, { name: string; id: number }>;
}

/** All messages below a namespace. */
function messages(space: { nested?: object }): Message[] {
  return Object.values(space.nested ?? {}).flatMap((child: Message & { nested?: object }) => [
    ...(child.fields ? [child] : []),
    ...messages(child),
  ]);
}
