// NumPy's .npy: a magic, a version, a header that is a Python dict literal, and the raw values.
//
//   93 "NUMPY" | major minor | header length (u16; u32 from version 2) | {'descr': '<f4', 'fortran_order': False,
//   'shape': (2, 3), } padded with spaces, "\n" | values
//
// The header is matched against the one form NumPy writes; nothing in it is ever evaluated. Pickled objects and records
// are refused.

import { FileError, ShapeError } from "../errors.js";
import { writeAtomic } from "./atomic.js";
import { bytesOf, decode, dtypeBytes, elementCount, type HostDtype, type HostTensor, misfit, toHalf } from "./host.js";
import { type Source, toSource } from "./source.js";

/** An array of texts: `<U5` (Unicode) or `|S5` (bytes, read as latin-1), without the zeros that pad them. */
export interface HostText {
  shape: number[];
  data: string[];
}

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** NumPy's limit on dimensions. */
export const DIMENSIONS = 64;
const headerLimit = 1_000_000; // ours; NumPy itself refuses more than 10,000 unless told to trust the file

const dtypes: Record<string, HostDtype> = {
  f2: "f16",
  f4: "f32",
  f8: "f64",
  i1: "i8",
  i2: "i16",
  i4: "i32",
  i8: "i64",
  u1: "u8",
  u2: "u16",
  u4: "u32",
  u8: "u64",
  b1: "bool",
};

/** An array whose header is read and checked; the values are on disk. */
export interface Npy {
  shape: number[];
  dtype: HostDtype;
  read(): HostTensor;
}

/** The same for texts. */
export interface NpyText {
  shape: number[];
  dtype: "text";
  read(): HostText;
}

/** Opens an array of numbers. */
export function openNpy(source: Source): Npy {
  const array = openAny(source);
  if (array.dtype === "text") throw new FileError(`${source.name} holds text; numbers are needed here.`);
  return array;
}

/** Reads an array of numbers, row-major whatever its order in the file. */
export const readNpy = (from: string | Source): HostTensor => openNpy(toSource(from)).read();

/** Reads an array of texts. */
export function readNpyText(from: string | Source): HostText {
  const source = toSource(from);
  const array = openAny(source);
  if (array.dtype === "text") return array.read();
  throw new FileError(`${source.name} holds numbers (${array.dtype}); text is needed here.`);
}

/** Reads either. */
export const parseNpy = (source: Source): HostTensor | HostText => openAny(source).read();

/** Opens either: checks the header against the bytes that follow it. */
export function openAny(source: Source): Npy | NpyText {
  const refuse = refusal(source);
  const { start, descr, fortran, shape } = npyHeader(source);
  const [, order, kind, size] = /^([<>|=])?([a-zA-Z?])(\d*)$/.exec(descr) ?? refuse(`its dtype is ${quoted(descr)}`);
  const letters = kind === "U" || kind === "S" || kind === "a";
  if (kind === "O") refuse("it holds Python objects, which would mean running a pickle");
  const dtype = dtypeOf(kind === "?" ? "b1" : `${kind}${size}`);
  if (!letters && !dtype) refuse(`its dtype is ${quoted(descr)}; known are ${Object.keys(dtypes).join(" ")}, U and S`);

  const width = dtype ? dtypeBytes[dtype] : Number(size) * (kind === "U" ? 4 : 1);
  if (width === 0) refuse("its texts have no length");
  const count = elementCount(shape);
  const bytes = count === undefined ? Number.POSITIVE_INFINITY : count * width;
  if (count === undefined || bytes > source.size - start) {
    return refuse(
      `(${shape.join(", ")}) of ${descr} needs ${bytes} bytes, but ${source.size - start} follow the header`,
    );
  }
  const raw = () => source.read(start, bytes);
  const bigEndian = order === ">";
  if (dtype) return { shape, dtype, read: () => hostTensor(raw(), { shape, dtype, bigEndian, fortran }) };
  const texts = () => {
    const letters = arrange(raw(), shape, width, bigEndian && kind === "U" ? 4 : 1, fortran);
    return kind === "U" ? unicode(letters, count, refuse) : latin(letters, count);
  };
  return { shape, dtype: "text", read: () => ({ shape: [...shape], data: texts() }) };
}

/** NumPy's code of a kind and size, "f4", as a type; undefined for all that is not read. */
export const dtypeOf = (code: string): HostDtype | undefined =>
  Object.hasOwn(dtypes, code) ? dtypes[code] : undefined;

/** Raw values, which must begin their buffer, as a tensor; the buffer is reordered in place and kept. */
export function hostTensor(
  raw: Uint8Array<ArrayBuffer>,
  { shape, dtype, bigEndian, fortran }: { shape: number[]; dtype: HostDtype; bigEndian: boolean; fortran: boolean },
): HostTensor {
  const width = dtypeBytes[dtype];
  arrange(raw, shape, width, bigEndian ? width : 1, fortran);
  return { shape: [...shape], dtype, data: decode(raw, dtype) };
}

/** Little-endian and row-major, in place; numbers of `swap` bytes are turned round. */
function arrange(
  raw: Uint8Array<ArrayBuffer>,
  shape: readonly number[],
  width: number,
  swap: number,
  fortran: boolean,
) {
  swapBytes(raw, swap);
  if (fortran) toRowMajor(raw, shape, width);
  return raw;
}

type Refuse = (why: string) => never;

const refusal = (source: Source): Refuse => {
  return (why) => {
    throw new FileError(`${source.name} is refused: ${why}.\nNothing was loaded; save it again with numpy.save.`);
  };
};

/** What the header says, and where the values start. */
export function npyHeader(source: Source): { start: number; descr: string; fortran: boolean; shape: number[] } {
  const refuse = refusal(source);
  const { start, text } = readHeader(source, refuse);
  return { start, ...parseHeader(text, refuse) };
}

function readHeader(source: Source, refuse: Refuse): { start: number; text: string } {
  if (source.size < 10) refuse(`it has ${source.size} bytes, too few for a header`);
  const begin = source.read(0, 8);
  if (magic.some((byte, i) => begin[i] !== byte)) refuse("it does not begin with \\x93NUMPY");
  const major = begin[6]!;
  if (major < 1 || major > 3) refuse(`its format version is ${major}.${begin[7]}; known are 1.0, 2.0 and 3.0`);
  const digits = major === 1 ? 2 : 4;
  const view = new DataView(source.read(8, digits).buffer);
  const length = major === 1 ? view.getUint16(0, true) : view.getUint32(0, true);
  if (length > headerLimit) refuse(`its header would be ${length} bytes long, more than ${headerLimit}`);
  const header = source.read(8 + digits, length);
  return { start: 8 + digits + length, text: new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(header) };
}

const text = `'[^'\\\\]*'|"[^"\\\\]*"`;
const integer = "\\d+L?"; // Python 2 wrote a long as 3L
const tuple = `\\(\\s*(?:${integer}\\s*,\\s*)*(?:${integer}\\s*)?\\)`;
const item = new RegExp(`\\s*(${text})\\s*:\\s*(${text}|True|False|${tuple})\\s*(,|(?=\\}))`, "y");

function parseHeader(header: string, refuse: Refuse) {
  const values = new Map<string, string>();
  const body = header.trim();
  if (body[0] !== "{") refuse("its header is no dict");
  let at = 1;
  for (; /^\s*\}$/.test(body.slice(at)) === false; at = item.lastIndex) {
    item.lastIndex = at;
    const [, key, value] =
      item.exec(body) ?? refuse(`its header is not plain at character ${at}: ${quoted(body.slice(at))}`);
    if (values.has(key!.slice(1, -1))) refuse(`its header has ${key} twice`);
    values.set(key!.slice(1, -1), value!);
  }
  const get = (key: string, form: RegExp): string => {
    const value = values.get(key);
    return value !== undefined && form.test(value) ? value : refuse(`its header has no proper ${key}`);
  };
  if (values.size !== 3) refuse(`its header has ${values.size} keys, not descr, fortran_order and shape`);
  const shape = get("shape", /^\(/).match(/\d+/g)?.map(Number) ?? [];
  if (shape.length > DIMENSIONS) refuse(`its shape has ${shape.length} dimensions, and NumPy's limit is ${DIMENSIONS}`);
  if (/\d\s*\)$/.test(values.get("shape")!) && shape.length === 1) refuse("its shape is a number, not a tuple");
  return { descr: get("descr", /^['"]/).slice(1, -1), fortran: get("fortran_order", /^[TF]/) === "True", shape };
}

const quoted = (text: string): string => JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}...` : text);

function swapBytes(bytes: Uint8Array, width: number): void {
  if (width === 1) return;
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
}

/** Reorders values of `width` bytes from first-index-fastest to last-index-fastest, in place. */
function toRowMajor(bytes: Uint8Array, shape: readonly number[], width: number): void {
  const from = bytes.slice();
  const index = shape.map(() => 0);
  const strides = shape.map((_, d) => shape.slice(0, d).reduce((n, size) => n * size, 1));
  let source = 0; // element index in `from` of the row-major element at `to`
  for (let to = 0; to < bytes.length; to += width) {
    bytes.set(from.subarray(source * width, source * width + width), to);
    for (let d = shape.length - 1; d >= 0; d--) {
      source += strides[d]!;
      if (++index[d]! < shape[d]!) break;
      source -= strides[d]! * shape[d]!;
      index[d] = 0;
    }
  }
}

function unicode(bytes: Uint8Array<ArrayBuffer>, count: number, refuse: Refuse): string[] {
  const codes = new Uint32Array(bytes.buffer);
  const width = count ? codes.length / count : 0;
  return Array.from({ length: count }, (_, i) => {
    let word = "";
    for (const code of codes.subarray(i * width, (i + 1) * width)) {
      if (code > 0x10ffff) refuse(`text ${i} holds ${code}, which is no character`);
      word += String.fromCodePoint(code);
    }
    return withoutPadding(word);
  });
}

function latin(bytes: Uint8Array, count: number): string[] {
  const width = count ? bytes.length / count : 0;
  return Array.from({ length: count }, (_, i) =>
    withoutPadding(Buffer.from(bytes.subarray(i * width, (i + 1) * width)).toString("latin1")),
  );
}

function withoutPadding(word: string): string {
  let end = word.length;
  while (end > 0 && word.charCodeAt(end - 1) === 0) end--;
  return word.slice(0, end);
}

/** Writes one array atomically (version 1.0, row-major). f16 data goes out as f16, bf16 and f8 as f32. */
export function writeNpy(path: string, tensor: HostTensor): void {
  const wrong = misfit(tensor);
  if (wrong) throw new ShapeError(`${path}: the array ${wrong}.`);
  const { shape, dtype, data } = tensor;
  const stored = data instanceof Float32Array && dtype !== "f16" ? "f32" : dtype;
  const start = npyStart(shape, stored)!;
  writeAtomic(path, [start, bytesOf(data instanceof Float32Array && stored === "f16" ? toHalf(data) : data)]);
}

/** What stands before the values (version 1.0, row-major); undefined for a type that NumPy lacks. */
export function npyStart(shape: readonly number[], dtype: HostDtype): Uint8Array | undefined {
  const code = Object.keys(dtypes).find((key) => dtypes[key] === dtype);
  if (!code) return undefined;
  const order = dtypeBytes[dtype] === 1 ? "|" : "<";
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const header = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const start = Math.ceil((10 + header.length + 1) / 64) * 64;
  const bytes = Buffer.from(`\u0093NUMPY\u0001\0\0\0${header.padEnd(start - 11)}\n`, "latin1");
  bytes.writeUInt16LE(start - 10, 8);
  return bytes;
}
