// safetensors: a length, a JSON header, and the raw tensors one after the other (github.com/huggingface/safetensors).
//
//   u64 N | N bytes {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {...}} | tensors
//
// Opening reads and checks the header alone; a tensor is read when it is asked for. The checks are those of the format:
// sorted by offset, the tensors tile the rest of the file without hole, overlap or tail.

import { FileError, ShapeError } from "../errors.js";
import { writeAtomic, writeAtomicStream } from "./atomic.js";
import { encode, type Outgoing, outgoingBytes } from "./encode.js";
import { decode, dtypeBytes, elementCount, type HostDtype, type HostTensor, misfit } from "./host.js";
import { type Entry, parseHeader } from "./safetensors-header.js";
import { type Source, toSource } from "./source.js";
import { missing, show, type TensorFile } from "./tensor-file.js";

const headerLimit = 100_000_000; // the format's own

const dtypes: Record<string, HostDtype> = {
  BOOL: "bool",
  U8: "u8",
  I8: "i8",
  U16: "u16",
  I16: "i16",
  F16: "f16",
  BF16: "bf16",
  U32: "u32",
  I32: "i32",
  F32: "f32",
  F64: "f64",
  U64: "u64",
  I64: "i64",
  F8_E4M3: "f8_e4m3",
  F8_E5M2: "f8_e5m2",
};

interface Place {
  dtype: HostDtype;
  shape: number[];
  /** From the beginning of the file, in bytes. */
  position: number;
  bytes: number;
}

/** An open file: names, shapes and metadata in memory, tensors on disk. */
export class Safetensors implements TensorFile {
  readonly format = "safetensors";
  readonly #source: Source;
  readonly #places: Map<string, Place>;
  readonly metadata: ReadonlyMap<string, string>;

  /** Use `openSafetensors`. */
  constructor(source: Source, places: Map<string, Place>, metadata: Map<string, string>) {
    this.#source = source;
    this.#places = places;
    this.metadata = metadata;
  }

  get path(): string {
    return this.#source.name;
  }

  /** In the order of the header. */
  get names(): string[] {
    return [...this.#places.keys()];
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** Shape and type without reading the data. */
  info(name: string): { shape: number[]; dtype: HostDtype } {
    const { shape, dtype } = this.#place(name);
    return { shape: [...shape], dtype };
  }

  /** Reads one tensor. */
  read(name: string): HostTensor {
    const { shape, dtype, position, bytes } = this.#place(name);
    return { shape: [...shape], dtype, data: decode(this.#source.read(position, bytes), dtype) };
  }

  #place(name: string): Place {
    return this.#places.get(name) ?? missing(this, name);
  }
}

/** Opens a file (or bytes, see source.ts) and checks its header; throws FileError with the first thing wrong. */
export function openSafetensors(from: string | Source): Safetensors {
  const source = toSource(from);
  const refuse = refusal(source.name);
  if (source.size < 8) refuse(`it has ${source.size} bytes, and the length of the header alone takes 8`);
  const length = new DataView(source.read(0, 8).buffer).getBigUint64(0, true);
  if (length > headerLimit) refuse(`its header would be ${length} bytes long, the format allows ${headerLimit}`);
  const headerBytes = Number(length);
  if (headerBytes > source.size - 8) {
    refuse(`its header would be ${headerBytes} bytes long, but only ${source.size - 8} bytes follow`);
  }
  const { entries, metadata } = parseHeader(source.read(8, headerBytes), refuse);
  return new Safetensors(source, place(entries, 8 + headerBytes, source.size, refuse), metadata);
}

/** Checks dtypes, sizes and tiling; gives each tensor its place in the file. */
function place(entries: Map<string, Entry>, start: number, fileSize: number, refuse: Refuse): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const [name, entry] of entries) places.set(name, measure(name, entry, start, refuse));
  let end = start;
  let before = "the header";
  const inFileOrder = [...places].sort(([, a], [, b]) => a.position - b.position || a.bytes - b.bytes);
  for (const [name, { position, bytes }] of inFileOrder) {
    if (position !== end) {
      const what = position < end ? "overlaps" : "leaves a hole behind";
      refuse(`tensor ${show(name)} ${what} ${before}: it begins at byte ${position}, not ${end}`);
    }
    end = position + bytes;
    before = `tensor ${show(name)}`;
  }
  if (end > fileSize) refuse(`${before} ends at byte ${end}, but the file has ${fileSize}`);
  if (end < fileSize) refuse(`${fileSize - end} bytes follow ${before}, which should end the file`);
  return places;
}

function measure(name: string, { dtype: code, shape, begin, end }: Entry, start: number, refuse: Refuse): Place {
  const dtype = Object.hasOwn(dtypes, code) ? dtypes[code]! : undefined;
  if (!dtype) {
    return refuse(`tensor ${show(name)} has dtype ${show(code)}; known are ${Object.keys(dtypes).join(", ")}`);
  }
  const count = elementCount(shape);
  const bytes = count === undefined ? undefined : count * dtypeBytes[dtype];
  if (bytes === undefined || end - begin !== bytes) {
    const need = bytes === undefined ? "more than 2^53" : bytes;
    return refuse(`tensor ${show(name)}, ${code} [${brief(shape)}], needs ${need} bytes, but has ${end - begin}`);
  }
  return { dtype, shape, position: start + begin, bytes };
}

export type Refuse = (why: string) => never;

const refusal = (path: string): Refuse => {
  return (why) => {
    throw new FileError(
      `${path} is refused: ${why}.\n` +
        "It was cut, damaged, or is no safetensors file. Nothing was loaded; get it again or write it anew from its source.",
    );
  };
};

const brief = (shape: number[]): string => (shape.length > 8 ? `${shape.slice(0, 8)}, ...` : shape.join(", "));

export interface WriteOptions {
  /** How floating-point tensors whose data is float32 are stored. Default "f32". */
  float?: "f32" | "f16";
  metadata?: Record<string, string>;
}

/**
 * Writes tensors atomically, wide types first and then by name, as the other libraries do. Float32 data goes out as
 * `float` says, whatever its `dtype` was; all other data keeps its type. Only one tensor is ever held twice.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<[string, HostTensor]>,
  options: WriteOptions = {},
): void {
  const float = options.float ?? "f32";
  const stored = [...tensors].map(([name, tensor]) => {
    const wrong = misfit(tensor);
    if (wrong) throw new ShapeError(`${path}: tensor ${show(name)} ${wrong}.`);
    return { name, tensor, shape: tensor.shape, dtype: tensor.data instanceof Float32Array ? float : tensor.dtype };
  });
  const header = headerOf(path, stored, options.metadata);
  const values = stored.map(
    ({ name, tensor, dtype }) =>
      () =>
        encode(path, name, tensor, dtype),
  );
  writeAtomic(
    path,
    (function* () {
      yield header;
      for (const bytes of values) yield bytes();
    })(),
  );
}

/** The same for tensors whose values are fetched one at a time, each stored as its `dtype`. */
export async function writeSafetensorsStream(
  path: string,
  tensors: ReadonlyMap<string, Outgoing>,
  metadata?: Record<string, string>,
): Promise<void> {
  const stored = [...tensors].map(([name, tensor]) => ({ name, tensor, shape: tensor.shape, dtype: tensor.dtype }));
  const header = headerOf(path, stored, metadata);
  await writeAtomicStream(path, async (write) => {
    write(header);
    for (const { name, tensor } of stored) write(await outgoingBytes(path, name, tensor));
  });
}

/** The length and the header, padded to 8 bytes. `stored` is brought into the order of the file. */
function headerOf(
  path: string,
  stored: { name: string; shape: readonly number[]; dtype: HostDtype }[],
  metadata?: Record<string, string>,
): Uint8Array {
  stored.sort((a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (a.name < b.name ? -1 : 1));
  const header = new Map<string, unknown>();
  if (metadata) header.set("__metadata__", metadata);
  let offset = 0;
  for (const { name, shape, dtype } of stored) {
    if (header.has(name)) throw new ShapeError(`${path}: two tensors are called ${show(name)}.`);
    const end = offset + elementCount(shape)! * dtypeBytes[dtype];
    header.set(name, { dtype: dtype.toUpperCase(), shape, data_offsets: [offset, end] });
    offset = end;
  }
  // Written by hand, because an object would put names that look like numbers first and lose "__proto__".
  const json = `{${[...header].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const padded = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(text, 8);
  return padded;
}
