// Opens what `--data` names: a folder of photographs, or drawn people.
//
//   data/casia            a folder, <identity>/<k>.png or .jpg
//   drawn:400x16          400 drawn people, 16 pictures of each
//   drawn:400x16+1000     the same, people 1000 to 1399

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import envPaths from "env-paths";
import { FileError, UsageError } from "../engine/errors.js";
import { makeFolder, writeAtomic } from "../engine/io/atomic.js";
import { scope } from "../engine/scope.js";
import { kernel } from "../engine/shader.js";
import { drawFaces, faceParams } from "./faces.js";
import { readFolder } from "./folder.js";
import { type PixelSet, toBytes } from "./pixels.js";

export interface OpenOptions {
  size: number;
  /** Of the drawn people. */
  seed?: number;
  strict?: boolean;
  /** Called while pictures are drawn. */
  onProgress?: (done: number, total: number) => void;
}

/** People `first` to `first + identities - 1`, `perIdentity` pictures of each. */
export interface DrawnSpec {
  identities: number;
  perIdentity: number;
  first: number;
}

/** Drawn at once: few enough for a software adapter to answer in a second or so. */
const BATCH = 16;

export async function openImages(spec: string, options: OpenOptions): Promise<PixelSet> {
  const drawn = parseDrawn(spec);
  if (drawn) return drawnSet(drawn, options);
  if (!existsSync(spec))
    throw new FileError(`--data ${spec}: no such folder. Give a folder of <identity>/<k>.png, or drawn:400x16.`);
  return readFolder(spec, { size: options.size, strict: options.strict ?? false });
}

function parseDrawn(spec: string): DrawnSpec | undefined {
  if (!spec.startsWith("drawn:")) return undefined;
  const parts = /^drawn:(\d+)x(\d+)(?:\+(\d+))?$/.exec(spec);
  if (!parts || Number(parts[1]) < 1 || Number(parts[2]) < 1) {
    throw new UsageError(
      `--data ${spec}: drawn people are written drawn:IDENTITIESxPICTURES or drawn:IDENTITIESxPICTURES+FIRST, as drawn:400x16.`,
    );
  }
  return { identities: Number(parts[1]), perIdentity: Number(parts[2]), first: Number(parts[3] ?? 0) };
}

/** Tells drawings apart: the kernel's text without its comments, and the numbers of one face. */
function drawingHash(seed: number): string {
  const { text } = kernel("draw_face").expanded({});
  const hash = createHash("sha256")
    .update(text.replace(/\s*(?:\/\/.*|\/\*[\s\S]*?\*\/)/g, ""))
    .update(faceParams(seed, 0, 0));
  return hash.digest("hex").slice(0, 12);
}

/** Draws a set, or takes it from the cache: a pure function of the seed, so a file with the right name has the right content. */
async function drawnSet({ identities, perIdentity, first }: DrawnSpec, options: OpenOptions): Promise<PixelSet> {
  const { size, seed = 0, onProgress } = options;
  const total = identities * perIdentity;
  const labels = Uint32Array.from({ length: total }, (_, i) => Math.floor(i / perIdentity));
  const names = Array.from({ length: identities }, (_, i) => String(first + i));
  const folder = join(envPaths("uiface", { suffix: "" }).cache, "drawn");
  const path = join(folder, `${drawingHash(seed)}-${size}px-seed${seed}-${first}-${identities}x${perIdentity}.u8`);
  const bytes = 3 * size * size;
  if (existsSync(path)) {
    const pixels = new Uint8Array(readFileSync(path));
    if (pixels.length === total * bytes) return { pixels, size, labels, names };
  }
  const pixels = new Uint8Array(total * bytes);
  for (let at = 0; at < total; at += BATCH) {
    const list = Array.from({ length: Math.min(BATCH, total - at) }, (_, i) => ({
      identity: first + labels[at + i]!,
      k: (at + i) % perIdentity,
    }));
    const batch = await scope(() => drawFaces(list, size, seed).read());
    pixels.set(toBytes(batch), at * bytes);
    onProgress?.(at + list.length, total);
  }
  try {
    makeFolder(folder);
    writeAtomic(path, pixels);
  } catch (error) {
    console.error(`The drawings are not kept for the next run. ${(error as Error).message}`);
  }
  return { pixels, size, labels, names };
}
