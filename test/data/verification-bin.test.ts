import { createHash } from "node:crypto";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { readNames, readVerificationBin } from "../../data/verification-bin.js";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { bytesSource } from "../../engine/io/source.js";
import { binsDir, filesDir, readJson, refusalOf, stopwatch, traces } from "../io/golden-files.js";
import { npyOf } from "../io/make-files.js";

interface Expected {
  pairs: number;
  truth: boolean[];
  image_sha256: string[];
  image_kind: string[];
  tolerance: Record<string, number>;
  files: Record<string, { images: number; pairs: number; image_sha256?: string[] }>;
  bad: Record<string, { error: boolean | "either"; why: string }>;
}
const expected = readJson<Expected>(binsDir, "expected.json");

afterAll(() => expect(traces()).toEqual([]));

const sha = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("why: every pickler's encoding of a set gives the same images and truths", () => {
  test.each(Object.entries(expected.files))("%s", (name, { pairs, image_sha256 }) => {
    const { images, issame } = readVerificationBin(join(binsDir, name));
    expect(issame).toEqual(expected.truth);
    expect(images).toHaveLength(2 * pairs);
    expect(images.map(sha)).toEqual((image_sha256 ?? expected.image_sha256).slice(0, 2 * pairs));
  });
});

test("why: the images are whole: they decode to the pixels that were encoded", async () => {
  const arrays = openSafetensors(join(binsDir, "images.safetensors"));
  const [file] = Object.entries(expected.files).find(([, { image_sha256 }]) => !image_sha256)!;
  const { images } = readVerificationBin(join(binsDir, file));
  for (const [i, image] of images.entries()) {
    const { data, info } = await sharp(image).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const want = arrays.read(`image/${i}`);
    expect([info.height, info.width, info.channels]).toEqual(want.shape);
    const worst = data.reduce((most, value, k) => Math.max(most, Math.abs(value - Number(want.data[k]))), 0);
    expect(worst).toBeLessThanOrEqual(expected.tolerance[expected.image_kind[i]!]!);
  }
});

test.each(["pairs.bin", "pairs_ndarray.bin"])("%s: bytes and arrays", async (name) => {
  const want = readJson<{ same: boolean[]; mean_rgb_first_jpeg: number[] }>(filesDir, "pairs.json");
  const { images, issame } = readVerificationBin(join(filesDir, name));
  expect(issame).toEqual(want.same);
  expect(images).toHaveLength(2 * want.same.length);
  const jpeg = images.find((image) => image[0] === 0xff && image[1] === 0xd8);
  if (!jpeg) return;
  const { channels } = await sharp(jpeg).stats();
  for (const [c, mean] of want.mean_rgb_first_jpeg.entries()) expect(channels[c]!.mean).toBeCloseTo(mean, -0.3);
});

describe("why: code, bombs, broken streams and other objects are refused", () => {
  test.each(Object.entries(expected.bad))("%s", async (name, { error, why }) => {
    const elapsed = stopwatch();
    const path = join(binsDir, "bad", name);
    const refusal = await refusalOf(() => readVerificationBin(path));
    expect(elapsed()).toBeLessThan(2000);
    if (error === true) expect(refusal?.message, why).toContain(path);
  });
});

describe("readNames", () => {
  const pickled = (...parts: (string | number[])[]) =>
    bytesSource("names.pkl", Buffer.concat(parts.map((part) => Buffer.from(part as string, "latin1"))));

  test("why: names are a pickled list, in either Python's texts, or a .npy of texts", () => {
    expect(readNames(pickled([0x80, 2], "]q\0(X\u0003\0\0\0a/bq\u0001U\u0001ce."))).toEqual(["a/b", "c"]);
    const letters = Buffer.from(Uint32Array.of(97, 98, 99, 0).buffer);
    expect(readNames(bytesSource("names.npy", npyOf("<U2", [2], letters)))).toEqual(["ab", "c"]);
  });
  test("why: what a pickle repeats is not read again each time", () => {
    const elapsed = stopwatch();
    const long = `U\xff${"n".repeat(255)}q\0`;
    const names = readNames(pickled([0x80, 2], "](", long, "h\0".repeat(50_000), "e."));
    expect(names).toHaveLength(50_001);
    const image = `]](${long}${"h\0".repeat(500_000)}ea](${"\x88".repeat(250_000)}ea.`;
    expect(() => readVerificationBin(pickled([0x80, 2], image))).toThrow("out of all proportion to the file");
    expect(elapsed()).toBeLessThan(2000);
  });
  test("why: anything else is refused, with the place", () => {
    expect(() => readNames(pickled([0x80, 2], "]K\u0001a."))).toThrow(
      "names.pkl is refused: name 0 is a number, and not a text.",
    );
    expect(() => readNames(pickled([0x80, 2], "}."))).toThrow("it holds a dict, and not a list of names");
  });
});
