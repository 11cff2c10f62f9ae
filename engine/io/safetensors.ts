// safetensors: a length, a JSON header, and the raw tensors one after the other (github.com/huggingface/safetensors).
//
//   u64 N | N bytes {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {...}} | tensors
//
// Opening reads and checks the header alone; a tensor is read when it is asked for. The checks are those of the format:
// sorted by offset, the tensors tile the rest of the file without hole, overlap or tail.

import { FileError, ShapeError } from "../errors.js";
import { writeAtomic } from "./atomic.js";
import { bytesOf, decode, dtypeBytes, elementCount, type HostDtype, type HostTensor, misfit, toHalf } from "./host.js";
import { type Entry, parseHeader } from "./safetensors-header.js";
import { type Source, toSource } from "./source.js";

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
export class Safetensors {
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
    const place = this.#places.get(name);
    if (place) return place;
    const some = this.names.slice(0, 5).join(", ");
    throw new FileError(
      `${this.path} has no tensor ${show(name)}.\n  it has  ${this.names.length} tensors: ${some}${this.names.length > 5 ? ", ..." : ""}`,
    );
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

/** A name out of a file, safe to print: quoted, at most 80 characters. */
export const show = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);

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
    const dtype = tensor.data instanceof Float32Array ? float : tensor.dtype;
    const wrong = misfit(tensor);
    if (wrong) throw new ShapeError(`${path}: tensor ${show(name)} ${wrong}.`);
    return { name, tensor, dtype, bytes: tensor.data.length * dtypeBytes[dtype] };
  });
  stored.sort((a, b) => dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (a.name < b.name ? -1 : 1));

  const header = new Map<string, unknown>();
  if (options.metadata) header.set("__metadata__", options.metadata);
  let offset = 0;
  for (const { name, tensor, dtype, bytes } of stored) {
    if (header.has(name)) throw new ShapeError(`${path}: two tensors are called ${show(name)}.`);
    header.set(name, { dtype: dtype.toUpperCase(), shape: tensor.shape, data_offsets: [offset, offset + bytes] });
    offset += bytes;
  }
  writeAtomic(path, pieces(path, header, stored));
}

function* pieces(
  path: string,
  header: Map<string, unknown>,
  stored: { name: string; tensor: HostTensor; dtype: HostDtype }[],
): Generator<Uint8Array> {
  // Written by hand, because an object would put names that look like numbers first and lose "__proto__".
  const json = `{${[...header].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const padded = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(text, 8);
  yield padded;
  for (const { name, tensor, dtype } of stored) yield encode(path, name, tensor, dtype);
}

function encode(path: string, name: string, { data }: HostTensor, dtype: HostDtype): Uint8Array {
  if (dtype !== "f16" || !(data instanceof Float32Array)) return bytesOf(data);
  const worst = data.findIndex((v) => Number.isFinite(v) && Math.abs(v) >= 65520);
  if (worst >= 0) {
    throw new FileError(
      `${path} was not written: tensor ${show(name)} holds ${data[worst]} at ${worst}, and float16 ends at 65504.\n` +
        "Store it as f32.",
    );
  }
  return bytesOf(toHalf(data));
}
