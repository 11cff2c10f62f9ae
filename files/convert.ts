// What `uiface convert` does: tensors of one file into a file of another format, one tensor in memory at a time.
//
//   .safetensors          types and metadata stay
//   .pt .pth .ckpt        a state dict for torch.load; there is no place for metadata
//   .npz                  an array each; bf16 becomes f32, because NumPy has none
//   .npy                  one array, or vectors by name as the rows of one

import { existsSync, statSync } from "node:fs";
import { extname } from "node:path";
import { FileError, UsageError } from "../engine/errors.js";
import type { Outgoing } from "../engine/io/encode.js";
import { elementCount, type HostDtype, toFloat32 } from "../engine/io/host.js";
import { writeNpy } from "../engine/io/npy.js";
import { Npz } from "../engine/io/npz.js";
import { writeNpz } from "../engine/io/npz-write.js";
import { writeSafetensorsStream } from "../engine/io/safetensors.js";
import type { TensorFile } from "../engine/io/tensor-file.js";
import { writeTorch } from "../engine/io/torch-write.js";
import { openCheckpoint } from "../models/load.js";
import { recognise } from "../models/recognise-file.js";
import { authorsLayout } from "./authors.js";
import { count } from "./inspect.js";
import { plain, sentence } from "./report.js";

export interface ConvertOptions {
  /** Floats of more than 16 bits, and bf16, as f16. */
  f16?: boolean;
  /** Keeps the tensors whose names begin with one of these. */
  only?: readonly string[];
  /** Taken from the front of names; then `prefix` is put there. */
  strip?: string;
  prefix?: string;
  /** As the authors' code writes the net that is recognised. */
  layout?: "authors";
  /** Overwrites a file that is there. */
  force?: boolean;
}

export interface Conversion {
  from: string[];
  to: string;
  format: Format;
  tensors: number;
  bytes: number;
  /** Of the input. */
  bytesBefore: number;
  kind: string;
  what: string;
  /** What is not as it was, a line each. */
  changes: string[];
}

type Format = "safetensors" | "torch" | "npz" | "npy";
type Tensors = ReadonlyMap<string, Outgoing>;

const formats: Record<string, Format> = {
  ".safetensors": "safetensors",
  ".pt": "torch",
  ".pth": "torch",
  ".ckpt": "torch",
  ".npz": "npz",
  ".npy": "npy",
};

/** Types that a format lacks, and the smallest it has instead that holds all their values. f8 is read, and never written. */
const instead: Record<Format, Partial<Record<HostDtype, HostDtype>>> = {
  safetensors: { f8_e4m3: "f16", f8_e5m2: "f16" },
  torch: { f8_e4m3: "f16", f8_e5m2: "f16", u16: "i32", u32: "i64" },
  npz: { f8_e4m3: "f16", f8_e5m2: "f16", bf16: "f32" },
  npy: { f8_e4m3: "f16", f8_e5m2: "f16", bf16: "f32" },
};

/** Converts; throws UsageError for what cannot be meant, FileError for a file that cannot be read or written. */
export async function convert(from: string, to: string, options: ConvertOptions = {}): Promise<Conversion> {
  const format = formatOf(to);
  if (options.layout && format !== "torch")
    throw new UsageError(`--layout authors is a PyTorch file: name one that ends in .pt, .pth or .ckpt, not ${to}.`);
  if (existsSync(to) && !options.force) throw new UsageError(`${to} is there already. Use --force to overwrite it.`);
  const files = await openCheckpoint(from);
  const changes: string[] = [];
  const tensors = chosen(files, format, options, changes);
  const metadata = new Map(files.flatMap((file) => [...file.metadata]));
  const lost = await write(to, format, tensors, metadata, options);
  return {
    from: files.map((file) => file.path),
    to,
    format,
    tensors: tensors.size,
    bytes: statSync(to).size,
    bytesBefore: files.reduce((n, file) => n + statSync(file.path).size, 0),
    ...whatOf(files),
    changes: [...changes, ...lost, ...textsLost(files)],
  };
}

/** Recognises several files as the one thing that they are together. */
function whatOf(files: readonly TensorFile[]): { kind: string; what: string } {
  const holder = (name: string) => files.find((file) => file.has(name)) ?? files[0]!;
  const { kind, what } = recognise({
    format: files[0]!.format,
    names: files.flatMap((file) => file.names),
    has: (name) => files.some((file) => file.has(name)),
    info: (name) => holder(name).info(name),
  });
  return { kind, what };
}

/** Which format the ending of a file stands for. */
function formatOf(path: string): Format {
  const format = formats[extname(path).toLowerCase()];
  if (format) return format;
  throw new UsageError(
    `${path} should end in one of ${Object.keys(formats).join(" ")}: the ending says which format to write.`,
  );
}

/** The tensors to write under their new names, with their new types. What changes is told in `changes`. */
function chosen(files: readonly TensorFile[], format: Format, options: ConvertOptions, changes: string[]): Tensors {
  const { only, strip = "", prefix = "", f16 = false } = options;
  const tensors = new Map<string, Outgoing>();
  const types = new Map<string, number>();
  let [left, stripped, all] = [0, 0, 0];
  for (const file of files) {
    for (const name of file.names) {
      all++;
      if (only && !only.some((beginning) => name.startsWith(beginning))) {
        left++;
        continue;
      }
      const { shape, dtype } = file.info(name);
      const stored = f16 && /^(f64|f32|bf16)$/.test(dtype) ? "f16" : (instead[format][dtype] ?? dtype);
      if (stored !== dtype) types.set(`${dtype} as ${stored}`, (types.get(`${dtype} as ${stored}`) ?? 0) + 1);
      const starts = strip !== "" && name.startsWith(strip);
      if (starts) stripped++;
      const renamed = prefix + (starts ? name.slice(strip.length) : name);
      if (tensors.has(renamed))
        throw new FileError(`Two tensors would be called ${plain(renamed)}. Choose with --only.`);
      tensors.set(renamed, { shape, dtype: stored, read: () => file.read(name).data });
    }
  }
  refuseEmpty(files, tensors, options, stripped);
  if (left) changes.push(`${count(left, "tensor")} of ${all.toLocaleString("en")} left out`);
  for (const [change, n] of types) changes.push(`${count(n, "tensor")} stored, ${change}`);
  if (stripped) changes.push(`"${plain(strip)}" taken from ${count(stripped, "name")}`);
  if (prefix) changes.push(`"${plain(prefix)}" put before every name`);
  return tensors;
}

/** A choice that leaves nothing, or a prefix that no name has, is a slip of the pen. */
function refuseEmpty(
  files: readonly TensorFile[],
  tensors: Tensors,
  { only, strip }: ConvertOptions,
  stripped: number,
): void {
  const [file] = files as [TensorFile];
  const some = file.names.slice(0, 3).map(plain).join(", ") + (file.names.length > 3 ? " and more" : "");
  if (file.names.length === 0)
    throw new FileError(`${file.path} holds no tensor. See \`uiface inspect ${file.path}\`.`);
  if (tensors.size === 0)
    throw new UsageError(`No name in ${file.path} begins with ${only!.join(" or ")}; there are ${some}.`);
  if (strip && stripped === 0) throw new UsageError(`No name in ${file.path} begins with ${strip}; there are ${some}.`);
}

/** Writes the file; returns what it has no place for. */
async function write(
  to: string,
  format: Format,
  tensors: Tensors,
  metadata: ReadonlyMap<string, string>,
  { layout }: ConvertOptions,
): Promise<string[]> {
  if (format === "safetensors") {
    await writeSafetensorsStream(to, tensors, metadata.size ? Object.fromEntries(metadata) : undefined);
    return [];
  }
  const notes: string[] = [];
  if (format === "torch") await writeTorch(to, layout ? authorsLayout(to, tensors, notes) : tensors);
  else if (format === "npz") await writeNpz(to, tensors);
  else await writeArray(to, tensors, notes);
  if (metadata.size) {
    const some = [...metadata.keys()].slice(0, 4).map(plain).join(", ");
    notes.push(`metadata left out, which the format has no place for: ${some}${metadata.size > 4 ? ", ..." : ""}`);
  }
  return notes;
}

/** One array as it is; vectors of one length, as the rows of a matrix. */
async function writeArray(to: string, tensors: Tensors, notes: string[]): Promise<void> {
  const [[first, one] = missing()] = tensors;
  if (tensors.size === 1) return writeNpy(to, { shape: [...one.shape], dtype: one.dtype, data: await one.read() });
  const size = elementCount(one.shape)!;
  const misfit = [...tensors].find(
    ([, { shape, dtype }]) => elementCount(shape) !== size || shape.at(-1) !== size || !dtype.startsWith("f"),
  );
  if (misfit) {
    const shown = [...new Map([[first, one], misfit])].map(([name, t]) => `${plain(name)} is (${t.shape.join(", ")})`);
    throw new UsageError(
      `An .npy holds one array, and these ${tensors.size} tensors are not vectors of one length: ${shown.join(", ")}.\nChoose one with --only, or write an .npz.`,
    );
  }
  const rows = new Float32Array(tensors.size * size);
  let row = 0;
  for (const { read } of tensors.values()) rows.set(toFloat32(await read()), size * row++);
  const dtype = one.dtype === "f16" ? "f16" : "f32";
  writeNpy(to, { shape: [tensors.size, size], dtype, data: rows });
  const names = [...tensors.keys()];
  notes.push(`names left out: row 0 is ${plain(names[0]!)}, row ${row - 1} is ${plain(names.at(-1)!)}`);
}

function missing(): never {
  throw new FileError("There is no tensor to write.");
}

/** Arrays of texts in an .npz: no other format has a place for them, and nothing here needs them. */
const textsLost = (files: readonly TensorFile[]): string[] =>
  files.flatMap((file) =>
    file instanceof Npz ? file.texts.map((name) => `array of texts left out: ${plain(name)}`) : [],
  );

/** The summary of a conversion, for people. */
export function summary({ from, to, tensors, bytes, bytesBefore, kind, what, changes }: Conversion): string[] {
  const size = (n: number) => n.toLocaleString("en");
  return [
    `${sentence({ path: from.join(" and "), kind, what })}.`,
    `  written   ${to}`,
    `  tensors   ${size(tensors)}`,
    `  bytes     ${size(bytes)}, ${size(bytesBefore)} before`,
    ...changes.map((line, i) => `  ${(i ? "" : "changes").padEnd(9)} ${line}`),
  ];
}
