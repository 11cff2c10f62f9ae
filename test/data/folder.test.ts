import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { readFolder, writeFolder } from "../../data/folder.js";
import { imageOf } from "../../data/pixels.js";

// A broken picture, and training on a folder: test/e2e/train.test.ts.

const home = mkdtempSync(join(tmpdir(), "folder-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A file of one colour, but for a white pixel in the upper left corner. */
async function picture(path: string, width: number, height: number, grey: number, orientation = 1): Promise<void> {
  mkdirSync(join(home, path, ".."), { recursive: true });
  const raw = Buffer.alloc(3 * width * height, grey).fill(255, 0, 3);
  await sharp(raw, { raw: { width, height, channels: 3 } })
    .withMetadata({ orientation })
    .png()
    .toFile(join(home, path));
}

test("why: the second person of ten is 2, not 10, and so are pictures; labels follow the folders", async () => {
  for (const [person, file, grey] of [
    ["10", "0", 50],
    ["2", "10", 40],
    ["2", "9", 30],
  ] as const)
    await picture(`order/${person}/${file}.png`, 4, 4, grey);
  const set = await readFolder(join(home, "order"), { size: 4 });
  expect(set.names).toEqual(["2", "10"]);
  expect([...set.labels]).toEqual([0, 0, 1]);
  expect([0, 1, 2].map((i) => imageOf(set, i)[5])).toEqual([30, 40, 50]);
});

test("why: phones store portraits lying on their side, with a tag that says how they were held", async () => {
  await picture("turned/ann/0.png", 4, 4, 0, 6); // to be turned right by a quarter
  const set = await readFolder(join(home, "turned"), { size: 4 });
  const red = imageOf(set, 0).subarray(0, 16);
  expect(red.indexOf(255)).toBe(3); // from the upper left corner to the upper right
});

test("why: a wide picture is cut, not squeezed", async () => {
  await picture("wide/ann/0.png", 9, 3, 0);
  const set = await readFolder(join(home, "wide"), { size: 3 });
  expect([...set.pixels]).toEqual(new Array(27).fill(0)); // the white corner is outside
});

test("why: what is written is read again, bit for bit", async () => {
  const pixels = Uint8Array.from({ length: 3 * 3 * 16 }, (_, i) => (i * 7) % 256);
  const set = { pixels, size: 4, labels: Uint32Array.of(0, 1, 1), names: ["a", "b"] };
  await writeFolder(join(home, "round"), set);
  expect(await readFolder(join(home, "round"), { size: 4 })).toEqual(set);
});

test("why: pictures without a folder for each person have no labels, and the message says what is expected", async () => {
  await picture("flat/0.png", 4, 4, 0);
  await expect(readFolder(join(home, "flat"), { size: 4 })).rejects.toThrow(
    "flat holds no folder with pictures in it.\nExpected <identity>/<anything>.png or .jpg inside it",
  );
});
