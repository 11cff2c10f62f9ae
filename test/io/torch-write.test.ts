// What we write, other programs must read bit for bit: torch checkpoints, npz, npy and safetensors.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FileError } from "../../engine/errors.js";
import { encode, type Outgoing, toBfloat } from "../../engine/io/encode.js";
import { bytesOf, type HostArray, type HostDtype } from "../../engine/io/host.js";
import { writeNpy } from "../../engine/io/npy.js";
import { writeNpz } from "../../engine/io/npz-write.js";
import { openTensors } from "../../engine/io/open.js";
import { Call, Global, pickle, Tuple } from "../../engine/io/pickle-write.js";
import { writeSafetensorsStream } from "../../engine/io/safetensors.js";
import { type TorchValue, writeTorch } from "../../engine/io/torch-write.js";
import { writeZip } from "../../engine/io/zip-write.js";
import { noPython, python } from "../python.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uiface-torch-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const outgoing = (dtype: HostDtype, shape: number[], data: HostArray): Outgoing => ({ dtype, shape, read: () => data });
const floats = (n: number, step = 0.37) => Float32Array.from({ length: n }, (_, i) => Math.fround((i - n / 2) * step));
const special = Float32Array.of(0, -0, 2 ** -149, 3.4028234663852886e38, Infinity, -Infinity, NaN, 1 / 3);

/** A tensor of every type that PyTorch and safetensors share, and every awkward shape. */
const tensors = (): Map<string, Outgoing> =>
  new Map([
    ["conv.weight", outgoing("f32", [4, 3, 3, 3], floats(108))],
    ["special", outgoing("f32", [8], special)],
    ["scalar", outgoing("f32", [], Float32Array.of(3.5))],
    ["empty", outgoing("f32", [2, 0, 3], new Float32Array(0))],
    ["half", outgoing("f16", [2, 5], floats(10))],
    ["bf16", outgoing("bf16", [2, 5], floats(10))],
    ["double", outgoing("f64", [3], Float64Array.of(Math.PI, -1e300, 5e-324))],
    ["i64", outgoing("i64", [3], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 9007199254740993n))],
    ["i32", outgoing("i32", [2], Int32Array.of(-(2 ** 31), 7))],
    ["i16", outgoing("i16", [2], Int16Array.of(-32768, 7))],
    ["i8", outgoing("i8", [2], Int8Array.of(-128, 7))],
    ["u8", outgoing("u8", [2], Uint8Array.of(255, 7))],
    ["bool", outgoing("bool", [3], Uint8Array.of(1, 0, 1))],
    ["num_batches_tracked", outgoing("i64", [], BigInt64Array.of(12n))],
    ["n\u00e4me \u{1f600}", outgoing("u8", [1], Uint8Array.of(1))],
  ]);

/** { name: [dtype, shape, bytes in hex] }, as the Python scripts below print it. */
type Seen = Record<string, [dtype: string, shape: number[], hex: string]>;

const words: Partial<Record<HostDtype, string>> = {
  f64: "float64",
  f32: "float32",
  f16: "float16",
  bf16: "bfloat16",
  bool: "bool",
  i64: "int64",
  i32: "int32",
  i16: "int16",
  i8: "int8",
  u8: "uint8",
};

const expected = (map: ReadonlyMap<string, Outgoing>): Seen =>
  Object.fromEntries(
    [...map].map(([name, { dtype, shape, read }]) => {
      const bytes = encode("", name, { data: read() as HostArray }, dtype);
      return [name, [words[dtype]!, [...shape], Buffer.from(bytes).toString("hex")]];
    }),
  );

const show =
  "dump = lambda t: [str(t.dtype).replace('torch.', ''), list(t.shape), t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes().hex() if t.numel() else '']";

describe.skipIf(noPython)(`read by Python ${noPython ?? ""}`, () => {
  test("why: torch.load(weights_only=True) is how the authors' code reads a checkpoint", async () => {
    const path = join(folder, "ema_averaged_model_7.ckpt");
    const map = tensors();
    await writeTorch(path, map);
    const script = `import torch\n${show}
d = torch.load(sys.argv[1], weights_only=True)
m = torch.load(sys.argv[1], weights_only=True, mmap=True)
assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(d.values(), m.values()))
assert all(t.is_contiguous() and not t.requires_grad for t in d.values())
print(json.dumps([type(d).__name__, list(d), {k: dump(t) for k, t in d.items()}]))`;
    expect(python(script, [path])).toEqual(["OrderedDict", [...map.keys()], expected(map)]);
  });

  test("why: a module of PyTorch's own must load our state dict strictly, and torch.save's reader must find nothing odd", async () => {
    const path = join(folder, "Backbone_Epoch_20_checkpoint.pth");
    await writeTorch(
      path,
      new Map([
        ["0.weight", outgoing("f32", [2, 3, 1, 1], floats(6))],
        ["1.weight", outgoing("f32", [2], floats(2))],
        ["1.bias", outgoing("f32", [2], floats(2))],
        ["1.running_mean", outgoing("f32", [2], floats(2))],
        ["1.running_var", outgoing("f32", [2], Float32Array.of(1, 2))],
        ["1.num_batches_tracked", outgoing("i64", [], BigInt64Array.of(3n))],
      ]),
    );
    const script = `import torch, zipfile
net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1, bias=False), torch.nn.BatchNorm2d(2))
net.load_state_dict(torch.load(sys.argv[1], weights_only=True), strict=True)
z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
at = lambda i: i.header_offset + 30 + sum(int.from_bytes(open(sys.argv[1], 'rb').read()[i.header_offset + o:][:2], 'little') for o in (26, 28))
print(json.dumps([int(net[1].num_batches_tracked), z.namelist(), [at(i) % 64 for i in z.infolist()], all(i.compress_type == 0 for i in z.infolist())]))`;
    const prefix = "Backbone_Epoch_20_checkpoint";
    const names = ["data.pkl", "byteorder", ...[0, 1, 2, 3, 4, 5].map((n) => `data/${n}`), "version"];
    expect(python(script, [path])).toEqual([3, names.map((name) => `${prefix}/${name}`), names.map(() => 0), true]);
  });

  test("why: training files nest dicts, lists and numbers, and each must come back as the same Python type", async () => {
    const path = join(folder, "optimization.ckpt");
    const x = outgoing("f32", [1], Float32Array.of(1));
    const integers = [
      0,
      255,
      256,
      -1,
      2 ** 31 - 1,
      -(2 ** 31),
      2 ** 31,
      -(2 ** 31) - 1,
      2 ** 53 - 1,
      -(2n ** 63n),
      2n ** 200n,
    ];
    const value: TorchValue = new Map<string, TorchValue>([
      ["global_step", 900_000],
      ["integers", integers],
      ["floats", [0.1, -1e300, 5e-324, Number.POSITIVE_INFINITY, -0]],
      ["flags", [true, false, null, "", "\u00e9\n'"]],
      [
        "optimizer",
        new Map<string, TorchValue>([
          [
            "state",
            new Map([
              [
                0,
                new Map<string, TorchValue>([
                  ["step", x],
                  ["lr", 1e-4],
                ]),
              ],
            ]),
          ],
        ]),
      ],
      ["model", new Map([["w", x]])],
      ["empty", [new Map(), []]],
    ]);
    await writeTorch(path, value);
    const script = `import torch
d = torch.load(sys.argv[1], weights_only=True)
print(json.dumps([repr(d["integers"]), repr(d["floats"]), repr(d["flags"]), repr(d["empty"]), d["global_step"], list(d["optimizer"]["state"]), type(d["model"]).__name__, type(d["optimizer"]).__name__]))`;
    expect(python(script, [path])).toEqual([
      `[${integers.join(", ")}]`,
      "[0.1, -1e+300, 5e-324, inf, -0.0]",
      `[True, False, None, '', "\u00e9\\n'"]`,
      "[{}, []]",
      900_000,
      [0],
      "OrderedDict",
      "dict",
    ]);
  });

  test("why: safetensors' own reader is stricter than most", async () => {
    const path = join(folder, "w.safetensors");
    const map = new Map([...tensors(), ["u64", outgoing("u64", [1], BigUint64Array.of(2n ** 64n - 1n))] as const]);
    await writeSafetensorsStream(path, map, { net: "tiny", note: 'ü "' });
    const script = `import torch, safetensors.torch
${show}
f = safetensors.safe_open(sys.argv[1], "pt")
print(json.dumps([f.metadata(), {k: dump(f.get_tensor(k)) for k in f.keys()}]))`;
    const want = { ...expected(map), u64: ["uint64", [1], "ffffffffffffffff"] };
    expect(python(script, [path])).toEqual([{ net: "tiny", note: 'ü "' }, want]);
  });

  test("why: NumPy reads npz and npy without pickle", async () => {
    const map = tensors();
    map.delete("bf16");
    await writeNpz(join(folder, "w.npz"), map);
    const [name, one] = [...map][0]!;
    writeNpy(join(folder, "w.npy"), { shape: [...one.shape], dtype: one.dtype, data: one.read() as HostArray });
    const script = `import numpy as np
dump = lambda a: [str(a.dtype), list(a.shape), a.tobytes().hex()]
z = np.load(sys.argv[1])
print(json.dumps([{k: dump(z[k]) for k in z.files}, dump(np.load(sys.argv[2]))]))`;
    const want = expected(map);
    expect(python(script, [join(folder, "w.npz"), join(folder, "w.npy")])).toEqual([want, want[name]]);
  });
});

describe("read by ourselves", () => {
  test.each(["w.pt", "w.npz", "w.safetensors"])("why: %s must hold what was put in", async (name) => {
    const path = join(folder, `own-${name}`);
    const map = tensors();
    if (name.endsWith("npz")) map.delete("bf16");
    if (name.endsWith("pt")) await writeTorch(path, map);
    else if (name.endsWith("npz")) await writeNpz(path, map);
    else await writeSafetensorsStream(path, map);
    const file = await openTensors(path);
    expect([...file.names].sort()).toEqual([...map.keys()].sort());
    for (const [key, { dtype, shape, read }] of map) {
      const got = file.read(key);
      expect([got.dtype, got.shape], key).toEqual([dtype, [...shape]]);
      const bytes = (data: HostArray) => Buffer.from(encode("", key, { data }, dtype)).toString("hex");
      expect(bytes(got.data), key).toBe(bytes(read() as HostArray));
    }
  });

  test("why: the same weights give the same bytes, whenever they are written", async () => {
    const [a, b] = [join(folder, "same", "..", "a.pt"), join(folder, "a.pt")];
    await writeTorch(a, tensors());
    const first = readFileSync(a);
    await new Promise((done) => setTimeout(done, 2100)); // zip's clock ticks every two seconds
    await writeTorch(b, tensors());
    expect(readFileSync(b).equals(first)).toBe(true);
  });
});

describe("refused", () => {
  test("why: whatever fails while a file is written, the old one stays and nothing lies beside it", async () => {
    const home = mkdtempSync(join(folder, "whole-"));
    const path = join(home, "w.pt");
    await writeTorch(path, new Map([["x", outgoing("f32", [1], Float32Array.of(1))]]));
    const before = readFileSync(path);
    const broken: [Outgoing, string][] = [
      [outgoing("f32", [3], Float32Array.of(1)), 'tensor "x" has shape [3] but 1 values'],
      [outgoing("f16", [2], Float32Array.of(1, 70_000)), "holds 70000 at 1, and float16 ends at 65504"],
      [outgoing("u64", [1], BigUint64Array.of(1n)), 'tensor "x" is u64'],
      [outgoing("i64", [1], Int32Array.of(1)), "is i64, but its data is a Int32Array"],
      [{ dtype: "f32", shape: [1], read: () => Promise.reject(new Error("the GPU was lost")) }, "the GPU was lost"],
    ];
    for (const [tensor, message] of broken) {
      const map = new Map([
        ["a", outgoing("f32", [1], Float32Array.of(2))],
        ["x", tensor],
      ]);
      await expect(writeTorch(path, map)).rejects.toThrow(message);
    }
    await expect(writeTorch(join(home, "no", "w.pt"), tensors())).rejects.toThrow("does not exist (ENOENT)");
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(home)).toEqual(["w.pt"]);
  });

  test("why: a tensor's name must not become a path out of the folder somebody unpacks in", async () => {
    for (const name of ["../x", "a/../../x", "/etc/x", "a\\x"])
      await expect(
        writeNpz(join(folder, "x.npz"), new Map([[name, outgoing("u8", [1], Uint8Array.of(1))]])),
      ).rejects.toThrow(FileError);
    await writeNpz(join(folder, "x.npz"), new Map([["a..b/c.", outgoing("u8", [1], Uint8Array.of(1))]]));
  });
});

test("why: one tensor at a time: a member is asked for only when the one before is on its way to the disk", async () => {
  const order: string[] = [];
  let written = 0;
  const member = (name: string) => ({
    name,
    bytes: () => {
      order.push(name);
      expect(order.length - written).toBeLessThanOrEqual(1);
      return Buffer.alloc(1000, ++written);
    },
  });
  await writeZip(join(folder, "order.zip"), ["a", "b", "c"].map(member));
  expect(order).toEqual(["a", "b", "c"]);
});

test("why: opcodes, as pickletools knows them", () => {
  const value = new Map<string, Call | Tuple>([
    ["a", new Tuple([1, 2, 3, -300])],
    ["b", new Call(new Global("collections", "OrderedDict"), [])],
  ]);
  const hex = (n: number) => n.toString(16).padStart(2, "0");
  const int = (n: number) => `4a${Buffer.from(Int32Array.of(n).buffer).toString("hex")}`;
  const text = (s: string) => `58${hex(s.length)}000000${Buffer.from(s).toString("hex")}`;
  expect(Buffer.from(pickle(value)).toString("hex")).toBe(
    `80027d28${text("a")}28${int(1)}${int(2)}${int(3)}${int(-300)}74${text("b")}63${Buffer.from("collections\nOrderedDict\n").toString("hex")}295275` +
      "2e",
  );
});

test("why: bfloat16 rounds to even, keeps NaN and may reach infinity", () => {
  const bits = (...values: number[]) => [...toBfloat(Float32Array.from(values))].map((b) => b.toString(16));
  expect(bits(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20)).toEqual(["3f80", "3f80", "3f82", "3f81"]);
  expect(bits(NaN, -Infinity, 3.4e38, -0)).toEqual(["7fc0", "ff80", "7f80", "8000"]);
  const quiet = new Float32Array(Uint32Array.of(0x7f800001).buffer); // a NaN whose mark lies in the half that is cut off
  expect(bytesOf(toBfloat(quiet))[0]! & 0x40).toBe(0x40);
});
