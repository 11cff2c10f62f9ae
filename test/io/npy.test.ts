import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { FileError } from "../../engine/errors.js";
import type { HostTensor } from "../../engine/io/host.js";
import { parseNpy, readNpy, readNpyText, writeNpy } from "../../engine/io/npy.js";
import { bytesSource, fileSource } from "../../engine/io/source.js";
import { goldenDir } from "../golden.js";
import { stopwatch } from "./golden-files.js";

const folder = mkdtempSync(join(tmpdir(), "uiface-npy-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Expected {
  descr: string;
  shape: number[];
  values: (number | string)[];
}
const formats = join(goldenDir(), "formats", "files");
const expected = JSON.parse(readFileSync(join(formats, "expected.json"), "utf8")) as {
  npy: Record<string, Expected>;
  bad: Record<string, { error: boolean | string; kind: string }>;
};

test.each(Object.entries(expected.npy))("%s, as NumPy wrote it", (name, { shape, values }) => {
  const array = parseNpy(fileSource(join(formats, name)));
  expect(array.shape).toEqual(shape);
  const text = (v: unknown) => (Object.is(v, -0) ? "-0" : String(v));
  expect([...array.data].map(text)).toEqual(values.map(text));
});

describe("why: code, objects and false sizes are refused", () => {
  const bad = Object.entries(expected.bad).filter(([, { kind }]) => kind === "npy");
  const cases = bad.map(([name, { error }]) => [join("formats", "files", "bad"), name, error] as const);
  test.each([["files", "object.npy", true] as const, ["files", "truncated.npy", true] as const, ...cases])(
    "%s/%s",
    (where, name, error) => {
      if (error !== true) return;
      const elapsed = stopwatch();
      expect(() => parseNpy(fileSource(join(goldenDir(), where, name)))).toThrow(FileError);
      expect(() => parseNpy(fileSource(join(goldenDir(), where, name)))).toThrow(name);
      expect(elapsed()).toBeLessThan(2000);
    },
  );
});

test("why: a shape of 300,000 dimensions is refused before it is looked at twice", () => {
  const header = `{'descr': '|u1', 'fortran_order': True, 'shape': (${"1,".repeat(300_000)}), }\n`;
  const bytes = Buffer.from(`\u0093NUMPY\u0002\0\0\0\0\0${header}\0`, "latin1");
  bytes.writeUInt32LE(header.length, 8);
  const elapsed = stopwatch();
  expect(() => parseNpy(bytesSource("x.npy", bytes))).toThrow("300000 dimensions, and NumPy's limit is 64");
  expect(elapsed()).toBeLessThan(1000);
});

test("why: contexts come as f32 and f64, f16 and Fortran order, and say the same", () => {
  const read = (name: string) => readNpy(join(goldenDir(), "files", name));
  const f32 = read("contexts_f32.npy");
  const f64 = read("contexts_f64.npy");
  expect(f32.dtype).toBe("f32");
  expect(f64.dtype).toBe("f64");
  expect(read("f16.npy").dtype).toBe("f16");
  expect(read("fortran.npy").data.length).toBe(read("fortran.npy").shape.reduce((a, b) => a * b, 1));
});

test("why: what is written is read back, data on a multiple of 64", () => {
  const path = join(folder, "x.npy");
  const tensors: HostTensor[] = [
    { shape: [2, 3], dtype: "f32", data: Float32Array.of(1, 2, 3, 4, 5, -0.5) },
    { shape: [4], dtype: "i64", data: BigInt64Array.of(1n, -2n, 2n ** 62n, 0n) },
    { shape: [], dtype: "f64", data: Float64Array.of(Math.PI) },
    { shape: [0, 2], dtype: "u8", data: Uint8Array.of() },
    { shape: [2], dtype: "bool", data: Uint8Array.of(1, 0) },
    { shape: [2], dtype: "f16", data: Float32Array.of(0.5, 2) },
  ];
  for (const tensor of tensors) {
    writeNpy(path, tensor);
    expect(readNpy(path)).toEqual(tensor);
    const length = readFileSync(path).readUInt16LE(8);
    expect((10 + length) % 64).toBe(0);
  }
  expect(() => writeNpy(path, { shape: [3], dtype: "u8", data: Uint8Array.of(1) })).toThrow("shape [3] but 1 values");
  expect(() => writeNpy(path, { shape: [1], dtype: "i32", data: Uint8Array.of(1) })).toThrow(
    "is i32, but its data is a Uint8",
  );
});

/** A version 1.0 file with this header and eight bytes of data. */
function withHeader(header: string) {
  const bytes = Buffer.from(`\u0093NUMPY\u0001\0\0\0${header}\n${"\0".repeat(8)}`, "latin1");
  bytes.writeUInt16LE(header.length + 1, 8);
  return bytesSource("made.npy", bytes);
}

test("why: the header is exactly three keys, each once", () => {
  const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  expect(parseNpy(withHeader(good)).shape).toEqual([2]);
  expect(() => parseNpy(withHeader(good.replace("}", "'x': True}")))).toThrow("4 keys");
  expect(() => parseNpy(withHeader(good.replace("}", "'descr': '<f8'}")))).toThrow("'descr' twice");
  expect(() => parseNpy(withHeader(good.replace("'<f4'", "True")))).toThrow("no proper descr");
  expect(() => parseNpy(withHeader(good.replace("<f4", "<U0")))).toThrow("no length");
  expect(() => parseNpy(withHeader(good.replace("}", "")))).toThrow("not plain");
});

test("why: the limit on the header holds in a file that is large enough for it", () => {
  const start = Uint8Array.from([0x93, ...Buffer.from("NUMPY"), 2, 0]);
  const length = new Uint8Array(new Uint32Array([1_000_001]).buffer);
  const huge = { name: "huge.npy", size: 10 ** 12, read: (position: number) => (position === 0 ? start : length) };
  expect(() => parseNpy(huge)).toThrow("1000001 bytes long, more than 1000000");
});

test("why: text and numbers are not mixed up, and a plain number is no shape", () => {
  expect(() =>
    readNpy(join(formats, Object.keys(expected.npy).find((n) => expected.npy[n]!.descr.includes("U"))!)),
  ).toThrow("holds text");
  writeNpy(join(folder, "n.npy"), { shape: [1], dtype: "u8", data: Uint8Array.of(1) });
  expect(() => readNpyText(join(folder, "n.npy"))).toThrow("holds numbers (u8)");
  const broken = Buffer.from(readFileSync(join(folder, "n.npy")).toString("latin1").replace("(1,)", "(1) "), "latin1");
  expect(() => parseNpy(bytesSource("n.npy", broken))).toThrow("not a tuple");
});
