// What `uiface inspect` finds out about a file: what it is, what is in it, which command takes it. Every tensor is read once, one
// at a time: so a damaged file is found out, and values that are not finite are counted.

import { statSync } from "node:fs";
import { readNames, readVerificationBin } from "../data/verification-bin.js";
import { dtypeBytes, elementCount, type HostArray, type HostDtype } from "../engine/io/host.js";
import { type HostText, openAny } from "../engine/io/npy.js";
import { Npz } from "../engine/io/npz.js";
import { openTensors } from "../engine/io/open.js";
import { unpickle } from "../engine/io/pickle.js";
import { plainCalls } from "../engine/io/pickle-calls.js";
import { Dict, describe, itemsOf, textOf, type Value } from "../engine/io/pickle-values.js";
import { refusal } from "../engine/io/refusals.js";
import { fileSource, type Source } from "../engine/io/source.js";
import type { TensorFile } from "../engine/io/tensor-file.js";
import { LEGACY_MAGIC } from "../engine/io/torch.js";
import { checkpointFiles } from "../models/load.js";
import { recognise } from "../models/recognise-file.js";
import { inspectFolder } from "./folder.js";

export interface TensorLine {
  name: string;
  shape: number[];
  dtype: HostDtype;
  /** How many, and what they take in the file. */
  values: number;
  bytes: number;
}

/** Of all floating-point values. */
export interface Values {
  min: number;
  max: number;
  /** NaN and infinities, and the tensor with the first of them. */
  notFinite: number;
  firstIn?: string;
}

export interface Inspection {
  path: string;
  bytes: number;
  /** As `TensorFile` calls it; "pickle" for lists, "folder" for what a training run leaves. */
  format: string;
  /** What it is, in a word and in words. */
  kind: string;
  what: string;
  /** The name by which commands know the net. */
  net?: string;
  /** What stands before the net's keys, and how many tensors are its own. */
  prefix: string;
  own: number;
  tensors: TensorLine[];
  values?: Values;
  metadata: Record<string, string>;
  /** What there is besides, a line each. */
  notes: string[];
  takenBy: string[];
}

export interface InspectOptions {
  /** Looks at headers alone. */
  quick?: boolean;
}

/** Looks at a file, or at the folder of a run; throws FileError for one that is damaged, hostile or unknown. */
export async function inspect(path: string, options: InspectOptions = {}): Promise<Inspection> {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return inspectFolder(path);
  const source = fileSource(path);
  const head = Buffer.from(source.read(0, Math.min(source.size, 16))).toString("latin1");
  if (head.startsWith("\x93NUMPY")) {
    const array = openAny(source);
    if (array.dtype === "text") return texts(source, array.read());
  }
  if (isPickle(head)) {
    const { value } = unpickle(source, { callables: plainCalls, way: "pickle" });
    if (itemsOf(value)) return list(source, value);
    if (value !== LEGACY_MAGIC && !(value instanceof Dict)) refuse(source, describe(value));
  }
  const file = await openTensors(source);
  if (file.format === "pickle" && file.names.length === 0) refuse(source, "a dict without arrays");
  return tensors(file, source.size, options);
}

/** Protocols 2 to 5, and 0 or 1 that begin with a mark or a list; a safetensors file may begin with any byte, but then has a {. */
const isPickle = (head: string): boolean =>
  head[8] !== "{" && (/^[(\]]/.test(head) || (head[0] === "\x80" && head.charCodeAt(1) <= 5));

/** A pickle that is whole and harmless, and of no use here. */
function refuse(source: Source, what: string): never {
  const needed = "neither a set of face pairs, nor a list of names, nor a dict of arrays";
  return refusal(source.name, "pickle")(`it holds ${what}: ${needed}`);
}

/** A file of tensors: what recognition says, every tensor's line, and what reading them brought to light. */
function tensors(file: TensorFile, bytes: number, { quick = false }: InspectOptions): Inspection {
  const { what, kind, net, part, at, own, takenBy } = recognise(file);
  const lines = file.names.map((name) => lineOf(file, name));
  const values = quick ? undefined : readThrough(file, lines);
  const texts = file instanceof Npz ? file.texts.map((name) => textNote(`${name} holds`, file.readText(name)!)) : [];
  return {
    ...{ path: file.path, bytes, format: file.format, kind, what, ...(net && { net }) },
    ...{ prefix: at, own: own.size, tensors: lines, ...(values && { values }) },
    metadata: Object.fromEntries(file.metadata),
    notes: part ? [...texts, halfNote(file.path, part)] : texts,
    takenBy: takenBy.map((line) => line.replaceAll("FILE", file.path)),
  };
}

/** Half an autoencoder needs the other half beside it. */
function halfNote(path: string, part: "encoder" | "decoder"): string {
  const other = checkpointFiles(path)[1];
  if (other) return `the other half, ${other}, which is loaded with it`;
  const half = part === "encoder" ? "decoder" : "encoder";
  return `the ${half} is missing: it should lie beside this file, called alike but for that word`;
}

/** What is known of a tensor without reading it. */
function lineOf(file: TensorFile, name: string): TensorLine {
  const { shape, dtype } = file.info(name);
  const values = elementCount(shape)!;
  return { name, shape, dtype, values, bytes: values * dtypeBytes[dtype] };
}

/** Reads every tensor; undefined if no value is a float. */
function readThrough(file: TensorFile, lines: readonly TensorLine[]): Values | undefined {
  const values: Values = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, notFinite: 0 };
  let floats = 0;
  for (const { name, dtype } of lines) {
    const { data } = file.read(name);
    if (!/^b?f\d/.test(dtype)) continue;
    floats += data.length;
    const before = values.notFinite;
    look(data as Exclude<HostArray, BigInt64Array | BigUint64Array>, values);
    if (values.notFinite > before) values.firstIn ??= name;
  }
  return floats ? values : undefined;
}

/** Widens the range by the finite values, and counts the others. */
function look(data: ArrayLike<number>, values: Values): void {
  let { min, max, notFinite } = values;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (!Number.isFinite(value)) notFinite++;
    else {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  Object.assign(values, { min, max, notFinite });
}

/** What a file without tensors has none of. */
const none = { prefix: "", own: 0, tensors: [], metadata: {}, takenBy: [] };

/** A pickled list: a verification set, or the names of images. */
function list(source: Source, value: Value): Inspection {
  const here = { ...none, path: source.name, bytes: source.size, format: "pickle" };
  const items = itemsOf(value)!;
  if (items.length !== 2 || !itemsOf(items[0])) {
    if (items.some((item) => textOf(item) === undefined)) refuse(source, describe(value));
    const names = readNames(source);
    const what = `a list of ${count(names.length, "name")}`;
    return { ...here, kind: "names", what, notes: [textNote("it holds", { shape: [names.length], data: names })] };
  }
  const { images, issame } = readVerificationBin(source);
  const same = issame.filter(Boolean).length;
  const formats = [...new Set(images.map(imageFormat))].join(", ");
  const what = `a verification set: ${count(issame.length, "pair")} of faces, ${same.toLocaleString("en")} of one person`;
  return { ...here, kind: "verification set", what, notes: [`${count(images.length, "image")}: ${formats}`] };
}

/** By the first bytes. */
function imageFormat(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  return head.startsWith("\xff\xd8") ? "JPEG" : head === "\x89PNG" ? "PNG" : "of a form that is not known here";
}

/** An .npy of texts: names of images or people. */
function texts(source: Source, text: HostText): Inspection {
  const what = `an array of ${count(text.data.length, "text")}`;
  const here = { path: source.name, bytes: source.size, format: "npy", kind: "names", what };
  return { ...none, ...here, notes: [textNote("it holds", text)] };
}

/** The first few of a list of texts. */
function textNote(subject: string, { data }: HostText): string {
  const some = data.slice(0, 3).map((text) => JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text));
  return `${subject} ${count(data.length, "text")}: ${some.join(", ")}${data.length > 3 ? ", ..." : ""}`;
}

/** "1 name", "2 names". */
export const count = (n: number, what: string): string => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
