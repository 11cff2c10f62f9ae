// Opens any file of tensors, told apart by its first bytes; the extension is never looked at.
//
//   PK 03 04                     zip: a torch checkpoint has <prefix>/data.pkl, npz has .npy files
//   80 02 to 80 05               a pickle; a torch checkpoint from before 1.6 if its first object is torch's number
//   93 "NUMPY"                   npy; a 0-d array of objects is read as a dict of arrays, any other is refused
//   u64, then { at byte 8        safetensors
//
// Files that are something else are refused by the name of what they are (foreign.ts).

import { foreignName } from "./foreign.js";
import { flatten } from "./nested.js";
import { npyHeader, openNpy } from "./npy.js";
import { openNpz } from "./npz.js";
import { unpickle } from "./pickle.js";
import { PickledArray } from "./pickle-arrays.js";
import { plainCalls } from "./pickle-calls.js";
import { Dict, describe, type Value } from "./pickle-values.js";
import { foreignReasons, listReasons, refusal } from "./refusals.js";
import { openSafetensors } from "./safetensors.js";
import { type Source, toSource } from "./source.js";
import { LazyTensors, type TensorFile, UNNAMED } from "./tensor-file.js";
import { isTorch, LEGACY_MAGIC, openTorchLegacy, openTorchZip } from "./torch.js";
import { readDirectory } from "./zip.js";

/** Opens a path, or a source, checks its headers, and reads no tensor yet; throws FileError with the first thing wrong. */
export async function openTensors(from: string | Source): Promise<TensorFile> {
  const source = toSource(from);
  const head = source.read(0, Math.min(source.size, 512));
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte);
  // Any other file could begin like the lower half of a safetensors length, whose upper half is 0: this comes first.
  const header = head.length < 9 ? 0n : new DataView(head.buffer).getBigUint64(0, true);
  if (head[8] === 0x7b && header < 2n ** 32n) return openSafetensors(source);
  if (starts(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)) return openNumpy(source);
  if (starts(0x50, 0x4b)) return openArchive(source);
  if (starts(0x80) && head[1]! <= 5 && head.length > 2) return openPickle(source);
  const foreign = foreignName(head, source.size);
  if (!foreign && (head[8] === 0x7b || (header > 1n && header <= source.size - 8))) return openSafetensors(source);
  return refusal(source.name, "foreign")(foreign ?? foreignReasons.unknown(printable(head)));
}

async function openArchive(source: Source): Promise<TensorFile> {
  const members = await readDirectory(source);
  const names = [...members.keys()];
  if (isTorch(members)) return openTorchZip(source, members);
  if (names.some((name) => name.endsWith(".npy"))) return openNpz(source, members);
  const why = names[0] === undefined ? foreignReasons.emptyZip : foreignReasons.zip(names[0]);
  return refusal(source.name, "foreign")(why);
}

/** A pickle of arrays, or the beginning of a legacy torch stream. */
function openPickle(source: Source): TensorFile {
  const { value, end } = unpickle(source, { callables: plainCalls, way: "pickle" });
  if (value === LEGACY_MAGIC) return openTorchLegacy(source, end);
  return pickled(source, "pickle", value);
}

function openNumpy(source: Source): TensorFile {
  const { descr, shape, start } = npyHeader(source);
  if (descr === "|O" && shape.length === 0) return openDict(source, start);
  return new LazyTensors(source.name, "npy", new Map([[UNNAMED, openNpy(source)]]));
}

/** What numpy.save makes of a dict: contexts by name. */
function openDict(source: Source, start: number): TensorFile {
  const { value } = unpickle(source, { callables: plainCalls, way: "pickle" }, start);
  const dict = value instanceof PickledArray ? value.object : undefined;
  const arrays = dict instanceof Dict && [...dict.entries.values()].every((item) => item instanceof PickledArray);
  if (!arrays) refusal(source.name, "pickle")(listReasons.noDict(describe(dict ?? value)));
  return pickled(source, "npy", dict!);
}

function pickled(source: Source, format: string, value: Value): TensorFile {
  const { tensors, metadata } = flatten(value, source.size, refusal(source.name, "pickle"));
  return new LazyTensors(source.name, format, tensors, metadata);
}

const printable = (head: Uint8Array): string =>
  [...head.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(" ");
