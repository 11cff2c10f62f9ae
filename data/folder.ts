// Folders of face images, one folder an identity: `<root>/<identity>/<k>.png`. JPEG and PNG of any size are read; PNG is written.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { FileError } from "../engine/errors.js";
import { makeFolder, writeAtomic } from "../engine/io/atomic.js";
import { imageOf, type PixelSet } from "./pixels.js";
import { joinRows } from "./rows.js";

export interface FolderOptions {
  /** Side of the square images in the set; larger pictures are scaled so that the short side fits, then cut in the middle. */
  size: number;
  /** An unreadable picture ends the command instead of being named and counted. */
  strict?: boolean;
  /** Gets one line about each picture that is left out. Default: stderr. */
  warn?: (line: string) => void;
}

const isPicture = (name: string): boolean => /\.(png|jpe?g)$/i.test(name);
/** 1, 2, 10 rather than 1, 10, 2. */
const natural = new Intl.Collator("en", { numeric: true }).compare;

/** Reads a folder of identity folders. @throws FileError if it is missing, has no pictures, or (strict) holds a broken one */
export async function readFolder(root: string, options: FolderOptions): Promise<PixelSet> {
  const { size, strict = false, warn = (line) => console.error(line) } = options;
  const names = (await list(root))
    .filter((e) => e.isDirectory())
    .map((e) => e.name)
    .sort(natural);
  const kept: { name: string; images: Uint8Array[] }[] = [];
  let broken = 0;
  for (const name of names) {
    const files = (await list(join(root, name)))
      .filter((e) => e.isFile() && isPicture(e.name))
      .map((e) => e.name)
      .sort(natural);
    const images: Uint8Array[] = [];
    for (const file of files) {
      try {
        images.push(await readPicture(join(root, name, file), size));
      } catch (error) {
        if (strict) throw error;
        broken++;
        warn((error as Error).message);
      }
    }
    if (images.length) kept.push({ name, images });
  }
  if (broken)
    warn(
      `${broken} picture${broken > 1 ? "s" : ""} in ${root} could not be read and ${broken > 1 ? "are" : "is"} left out; --strict makes this an error.`,
    );
  if (!kept.length)
    throw new FileError(
      `${root} holds no folder with pictures in it.\nExpected <identity>/<anything>.png or .jpg inside it, one folder for each person.`,
    );
  return gather(kept, size);
}

function gather(kept: { name: string; images: Uint8Array[] }[], size: number): PixelSet {
  const pixels = joinRows(kept.flatMap((k) => k.images));
  const labels = Uint32Array.from(kept.flatMap(({ images }, id) => images.map(() => id)));
  return { pixels, size, labels, names: kept.map((k) => k.name) };
}

/** Loaded with the first picture: commands without any start sooner. */
const sharpLibrary = async () => (await import("sharp")).default;

/** One picture as (3, size, size) bytes. */
async function readPicture(path: string, size: number): Promise<Uint8Array> {
  try {
    const sharp = await sharpLibrary();
    const { data } = await sharp(path, { failOn: "error" })
      .rotate() // as the camera's orientation tag says
      .removeAlpha()
      .toColourspace("srgb")
      .resize(size, size, { fit: "cover", kernel: "linear" })
      .raw()
      .toBuffer({ resolveWithObject: true });
    return interleavedToPlanes(data, size * size);
  } catch (error) {
    throw new FileError(`${path} cannot be read as a picture: ${(error as Error).message.split("\n")[0]}.`);
  }
}

/** Writes (3, size, size) bytes as a PNG: whole or not at all. */
async function writePicture(path: string, planes: Uint8Array, size: number): Promise<void> {
  writeAtomic(path, await encodePng(planes, size));
}

/** (3, height, width) bytes as a PNG file. */
export async function encodePng(planes: Uint8Array, width: number, height = width): Promise<Buffer> {
  const raw = planesToInterleaved(planes, width * height);
  const sharp = await sharpLibrary();
  return sharp(raw, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** Writes a set as `<root>/<identity>/<k>.png`. */
export async function writeFolder(root: string, set: PixelSet): Promise<void> {
  const next = new Map<number, number>();
  for (let i = 0; i < set.labels.length; i++) {
    const id = set.labels[i]!;
    const k = next.get(id) ?? 0;
    next.set(id, k + 1);
    const folder = join(root, set.names[id]!);
    if (k === 0) makeFolder(folder);
    await writePicture(join(folder, `${k}.png`), imageOf(set, i), set.size);
  }
}

function interleavedToPlanes(data: Uint8Array, pixels: number): Uint8Array {
  const channels = data.length / pixels;
  const out = new Uint8Array(3 * pixels);
  for (let c = 0; c < 3; c++) {
    const from = channels >= 3 ? c : 0; // grey pictures become RGB
    for (let p = 0; p < pixels; p++) out[c * pixels + p] = data[p * channels + from]!;
  }
  return out;
}

function planesToInterleaved(planes: Uint8Array, pixels: number): Uint8Array {
  const out = new Uint8Array(3 * pixels);
  for (let c = 0; c < 3; c++) for (let p = 0; p < pixels; p++) out[3 * p + c] = planes[c * pixels + p]!;
  return out;
}

async function list(folder: string) {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new FileError(`${folder} does not exist.`);
    if (code === "ENOTDIR") throw new FileError(`${folder} is a file, but a folder of identity folders is needed.`);
    throw new FileError(`${folder} cannot be listed: ${(error as Error).message}`);
  }
}
