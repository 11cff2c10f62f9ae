import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FileError } from "../../engine/errors.js";
import { type HostTensor, toFloat32, toHalf } from "../../engine/io/host.js";
import { openSafetensors, writeSafetensors } from "../../engine/io/safetensors.js";
import { bytesSource } from "../../engine/io/source.js";
import { goldenDir } from "../golden.js";
import { stopwatch } from "./golden-files.js";

const folder = mkdtempSync(join(tmpdir(), "uiface-safetensors-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Expected {
  dtype: string;
  shape: number[];
  values: (number | string)[];
}
interface ExpectedFile {
  metadata?: Record<string, string>;
  tensors?: Record<string, Expected>;
  tensors_as_list?: [string, Expected][];
}
interface Bad {
  error: boolean | string;
  kind: string;
  why: string;
}
const formats = join(goldenDir(), "formats", "files");
const expected = JSON.parse(readFileSync(join(formats, "expected.json"), "utf8")) as {
  safetensors: Record<string, ExpectedFile>;
  bad: Record<string, Bad>;
};

const ourName: Record<string, string> = {
  float8_e4m3fn: "f8_e4m3",
  float8_e5m2: "f8_e5m2",
  bfloat16: "bf16",
  bool: "bool",
};
const dtypeName = (torch: string) =>
  ourName[torch] ?? torch.replace("float", "f").replace("uint", "u").replace("int", "i");

describe("files of other tools", () => {
  test.each(Object.entries(expected.safetensors))("%s", (name, want) => {
    const file = openSafetensors(join(formats, name));
    const tensors = want.tensors_as_list ?? Object.entries(want.tensors ?? {});
    expect(file.names.sort()).toEqual(tensors.map(([tensor]) => tensor).sort());
    for (const [tensor, { dtype, shape, values }] of tensors) {
      const got = file.read(tensor);
      expect({ ...got, data: [...got.data].map(String) }).toEqual({
        shape,
        dtype: dtypeName(dtype),
        data: values.map((v) => String(typeof v === "number" && Object.is(v, -0) ? 0 : v)),
      });
    }
    if (want.metadata) expect(Object.fromEntries(file.metadata)).toEqual(want.metadata);
  });

  test("good.safetensors of the first set has its metadata", () => {
    const file = openSafetensors(join(goldenDir(), "files", "good.safetensors"));
    expect(file.metadata.size).toBeGreaterThan(0);
    for (const name of file.names) expect(file.read(name).data.length).toBeGreaterThan(0);
  });
});

describe("why: a broken or hostile file is refused at once, by name", () => {
  const first = readdirSync(join(goldenDir(), "files")).filter((name) =>
    /^(bad|huge|overlap).*\.safetensors$/.test(name),
  );
  const bad = Object.entries(expected.bad).filter(([, { kind }]) => kind === "safetensors");
  const cases = first.map((name) => ["files", name, true] as const);
  const more = bad.map(([name, { error }]) => [join("formats", "files", "bad"), name, error] as const);
  test.each([...cases, ...more])("%s/%s", (where, name, error) => {
    const open = () => openSafetensors(join(goldenDir(), where, name));
    if (error !== true) return; // "either": an error or a harmless result
    const elapsed = stopwatch();
    expect(open).toThrow(FileError);
    expect(open).toThrow(name);
    expect(elapsed()).toBeLessThan(2000);
  });
});

const ints = (values: number[], shape = [values.length]): HostTensor => ({
  shape,
  dtype: "i32",
  data: Int32Array.from(values),
});
const floats = (values: number[], shape = [values.length]): HostTensor => ({
  shape,
  dtype: "f32",
  data: Float32Array.from(values),
});

describe("writing", () => {
  const path = join(folder, "w.safetensors");

  test("why: what is written is read back, awkward names included", () => {
    const tensors: [string, HostTensor][] = [
      ["b", { shape: [3], dtype: "u8", data: Uint8Array.of(1, 2, 3) }],
      ["a", floats([1.5, -2, 3, 0.25], [2, 2])],
      ["__proto__", ints([7])],
      ["10", { shape: [], dtype: "i64", data: BigInt64Array.of(-(2n ** 60n)) }],
      ["empty", floats([], [0, 3])],
      ["d", { shape: [1], dtype: "f64", data: Float64Array.of(Math.PI) }],
    ];
    writeSafetensors(path, tensors, { metadata: { step: "3", note: 'ü "\n' } });
    const file = openSafetensors(path);
    expect(file.names).toEqual(["10", "d", "__proto__", "a", "empty", "b"]);
    for (const [name, tensor] of tensors) expect(file.read(name)).toEqual(tensor);
    expect(Object.fromEntries(file.metadata)).toEqual({ step: "3", note: 'ü "\n' });
    expect(readdirSync(folder)).toEqual(["w.safetensors"]);
  });

  test("why: f16 storage halves the file and rounds to nearest even; integers stay", () => {
    writeSafetensors(
      path,
      [
        ["x", floats([1 / 3, 2049, 2051, 65519, 2 ** -25, 1.5 * 2 ** -24])],
        ["i", ints([5])],
      ],
      { float: "f16" },
    );
    const file = openSafetensors(path);
    expect(file.read("x").dtype).toBe("f16");
    expect([...file.read("x").data]).toEqual([0.333251953125, 2048, 2052, 65504, 0, 2 ** -23]);
    expect(file.read("i")).toEqual(ints([5]));
  });

  test("why: a failed write leaves the old file as it was and nothing beside it", () => {
    writeSafetensors(path, [["x", floats([1])]]);
    expect(() => writeSafetensors(path, [["x", floats([1, 70_000])]], { float: "f16" })).toThrow("70000 at 1");
    expect(() => writeSafetensors(path, [["x", floats([1], [2])]])).toThrow("shape [2] but 1 values");
    expect(() =>
      writeSafetensors(path, [
        ["x", ints([1])],
        ["x", ints([2])],
      ]),
    ).toThrow('two tensors are called "x"');
    expect(openSafetensors(path).read("x")).toEqual(floats([1]));
    expect(readdirSync(folder)).toEqual(["w.safetensors"]);
  });
});

test("why: every float16 comes back from float32 as the same bits", () => {
  const codes = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((c) => (c & 0x7fff) <= 0x7c00);
  const header = `{"x":{"dtype":"F16","shape":[${codes.length}],"data_offsets":[0,${codes.length * 2}]}}`;
  const bytes = new Uint8Array(8 + header.length + codes.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(new TextEncoder().encode(header), 8);
  bytes.set(new Uint8Array(codes.buffer), 8 + header.length);
  const { data } = openSafetensors(bytesSource("codes", bytes)).read("x");
  expect(toHalf(toFloat32(data))).toEqual(codes);
  expect([...toHalf(Float32Array.of(Number.NaN, 65520, -65519.9))]).toEqual([0x7e00, 0x7c00, 0xfbff]);
});

/** A file with this header and `n` bytes of data. */
function withHeader(header: string, n: number) {
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  return bytesSource("made.safetensors", Buffer.concat([length, Buffer.from(header), Buffer.alloc(n)]));
}

test("why: an empty tensor may share its place with the next, and follow it in the header", () => {
  const full = '"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
  const empty = '"e":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}';
  expect(openSafetensors(withHeader(`{${full},${empty}}`, 2)).names).toEqual(["a", "e"]);
});

test("why: two equal entries of one name tile the file, and are still two", () => {
  const entry = '"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
  expect(() => openSafetensors(withHeader(`{${entry},${entry}}`, 2))).toThrow("two tensors have one name");
  expect(() => openSafetensors(withHeader(`{${entry.replace("2]", "2.0]")}}`, 2))).toThrow("] is expected");
});

test("why: the limit on the header holds in a file that is large enough for it", () => {
  const first = new Uint8Array(new BigUint64Array([100_000_001n]).buffer);
  const huge = { name: "huge.safetensors", size: 10 ** 12, read: () => first };
  expect(() => openSafetensors(huge)).toThrow("the format allows 100000000");
});

test("why: a file that lost its end says where it should end", () => {
  const entry = '"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
  expect(() => openSafetensors(withHeader(`{${entry}}`, 1))).toThrow(
    /tensor "a" ends at byte \d+, but the file has \d+/,
  );
});

test("why: errors name the file, the tensor and the way out", () => {
  const path = join(folder, "hole.safetensors");
  const header =
    '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}';
  const length = new Uint8Array(new BigUint64Array([BigInt(header.length)]).buffer);
  writeFileSync(path, Buffer.concat([length, Buffer.from(header), Buffer.alloc(4)]));
  expect(() => openSafetensors(path)).toThrow(
    `${path} is refused: tensor "b" leaves a hole behind tensor "a": it begins at byte ${8 + header.length + 3}, not ${8 + header.length + 2}.`,
  );
  expect(() => openSafetensors(join(folder, "nothing.safetensors"))).toThrow("does not exist (ENOENT)");
  expect(() => openSafetensors(folder)).toThrow("is a folder");
  writeSafetensors(path, [["weight", floats([1])]]);
  expect(() => openSafetensors(path).read("bias")).toThrow('no tensor "bias".\n  it has  1 tensors: "weight"');
});
