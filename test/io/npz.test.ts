import { createHash } from "node:crypto";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { type HostText, openAny } from "../../engine/io/npy.js";
import type { Npz } from "../../engine/io/npz.js";
import { openTensors } from "../../engine/io/open.js";
import { bytesSource } from "../../engine/io/source.js";
import { expected, filesDir, formatsDir, readAll, refusalOf, stopwatch, traces } from "./golden-files.js";
import { npyOf, zipOf } from "./make-files.js";

afterAll(() => expect(traces()).toEqual([]));

const open = async (path: string): Promise<Npz> => {
  const file = await openTensors(path);
  expect(file.format).toBe("npz");
  return file as Npz;
};

test.each(Object.entries(expected.npz))("%s, as NumPy wrote it", async (name, arrays) => {
  const file = await open(join(formatsDir, name));
  expect([...file.names, ...file.texts].sort()).toEqual(Object.keys(arrays).sort());
  for (const [key, { descr, shape, sha256, first }] of Object.entries(arrays)) {
    if (descr.includes("U")) {
      const text = file.readText(key)!;
      expect(text.shape).toEqual(shape);
      expect(text.data.slice(0, first.length)).toEqual(first);
      expect(sha(utf32(text, Number(/\d+/.exec(descr)![0])))).toBe(sha256);
    } else {
      const { data, shape: got } = file.read(key);
      expect(got).toEqual(shape);
      expect(file.info(key).shape).toEqual(shape);
      expect([...data].slice(0, first.length).map(String)).toEqual(first);
      expect(sha(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))).toBe(sha256);
    }
  }
});

const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The texts as NumPy holds them: `width` characters of 4 bytes, little-endian, padded with 0. */
function utf32({ data }: HostText, width: number): Uint8Array {
  const codes = new Uint32Array(data.length * width);
  data.forEach((word, i) => {
    codes.set(
      [...word].map((letter) => letter.codePointAt(0)!),
      i * width,
    );
  });
  return new Uint8Array(codes.buffer);
}

test("why: the pair of arrays beside the others reads as well", async () => {
  const file = await open(join(filesDir, "pair.npz"));
  for (const name of file.names) expect(file.read(name).shape).toEqual(file.info(name).shape);
  expect(file.names.length + file.texts.length).toBeGreaterThan(1);
});

describe("why: archives that lie are refused", () => {
  const bad = Object.entries(expected.bad).filter(([, { kind }]) => kind === "npz");
  test.each(bad)("%s", async (name, { error, why }) => {
    const elapsed = stopwatch();
    const before = process.memoryUsage().arrayBuffers;
    const refusal = await refusalOf(() => readAll(join(formatsDir, "bad", name)));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
    expect(elapsed()).toBeLessThan(2000);
    if (error === true) expect(refusal?.message, why).toContain(name);
  });
});

describe("why: an archive of our own making shows each rule of the zip reader by itself", () => {
  const array = npyOf("<f4", [2], Buffer.from(Float32Array.of(1, 2).buffer));
  const stored = { name: "a.npy", data: array };
  const refusal = async (zip: Uint8Array) => (await refusalOf(() => readAll(bytesSource("x.npz", zip))))?.message;

  test("the archive itself is fine, stored and deflated", async () => {
    expect(await refusal(zipOf([stored]))).toBeUndefined();
    expect(await refusal(zipOf([{ ...stored, deflated: true }]))).toBeUndefined();
  });
  test("two members of one name", async () => {
    expect(await refusal(zipOf([stored, stored]))).toContain('two members called "a.npy"');
  });
  test("a stored member with two sizes", async () => {
    expect(await refusal(zipOf([{ ...stored, size: array.length + 1 }]))).toContain("is stored, but has");
  });
  test("another compression method", async () => {
    expect(await refusal(zipOf([{ ...stored, method: 12 }]))).toContain("compression method 12");
  });
  test("an encrypted member", async () => {
    expect(await refusal(zipOf([{ ...stored, flags: 1 }]))).toContain("is encrypted");
  });
  test("a wrong checksum, stored and deflated", async () => {
    expect(await refusal(zipOf([{ ...stored, crc: 1 }]))).toContain("another checksum");
    expect(await refusal(zipOf([{ ...stored, crc: 1, deflated: true }]))).toContain("another checksum");
  });
  test("more data than announced, and less", async () => {
    const more = {
      name: "a.npy",
      data: Buffer.concat([array, Buffer.alloc(1000)]),
      deflated: true,
      size: array.length,
    };
    expect(await refusal(zipOf([more]))).toContain(`does not unpack to the ${array.length} bytes`);
    expect(await refusal(zipOf([{ ...stored, deflated: true, size: array.length + 9 }]))).toContain(
      "does not unpack to",
    );
  });
  test("a size that no deflate reaches", async () => {
    expect(await refusal(zipOf([{ ...stored, deflated: true, size: 2 ** 30 }]))).toContain("would grow from");
  });
  test("a real bomb: 100 MB of zeros from 100 kB", async () => {
    const zeros = npyOf("|u1", [100_000_000], new Uint8Array(100_000_000));
    const packed = deflateRawSync(zeros);
    const zip = zipOf([{ name: "a.npy", data: packed, size: zeros.length, method: 8 }]);
    expect(await refusal(zip)).toContain("more than is allowed");
  });
  test("two members on the same bytes", async () => {
    const zip = Buffer.from(zipOf([stored, { name: "b.npy", data: array }]));
    const second = zip.lastIndexOf("PK\u0001\u0002", undefined, "latin1");
    zip.writeUInt32LE(0, second + 42);
    expect(await refusal(zip)).toContain("has no header of its own");
  });
  test("a header inside another member's data", async () => {
    const inner = zipOf([stored]);
    const zip = zipOf([{ name: "b.npy", data: inner }, stored]);
    const second = zip.lastIndexOf("PK\u0001\u0002", undefined, "latin1");
    zip.writeUInt32LE(30 + "b.npy".length, second + 42);
    expect(await refusal(zip)).toContain("overlap");
  });
  test("a member that is no array", async () => {
    expect(await refusal(zipOf([stored, { name: "readme.txt", data: array }]))).toContain("is no .npy file");
  });
  test("objects", async () => {
    expect(
      await refusal(zipOf([{ name: "o.npy", data: npyOf("|O", [1], Buffer.from("\u0080\u0002.", "latin1")) }])),
    ).toContain("holds Python objects");
  });
});

test("why: a member's own name is in the error of the array inside it", () => {
  const source = bytesSource("x.npz:a.npy", npyOf("<q9", [1], new Uint8Array(8)));
  expect(() => openAny(source)).toThrow('x.npz:a.npy is refused: its dtype is "<q9"');
});
