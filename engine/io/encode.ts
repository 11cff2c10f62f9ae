// Tensors on their way into a file: what each is must be known at once, because headers come first; its values are fetched
// when its turn comes, so that a net is never in memory a second time.

import { FileError, ShapeError } from "../errors.js";
import { bytesOf, dtypeBytes, elementCount, type HostArray, type HostDtype, toFloat32, toHalf } from "./host.js";
import { show } from "./tensor-file.js";

/** A tensor to be written. A file's tensor and one on the GPU fit alike. */
export interface Outgoing {
  shape: readonly number[];
  /** The type in the new file; `data` may be of another that `encode` knows how to bring there. */
  dtype: HostDtype;
  read(): HostArray | Promise<HostArray>;
}

/**
 * The little-endian bytes of a tensor as `dtype`. Floats are rounded to the nearest (ties to even); integers go into their own
 * type or a wider one. f8 is read and never written: f16 holds every value of it.
 *
 * @param path      the file, and `name` the tensor, for messages
 * @throws          FileError for a finite number that float16 cannot hold, ShapeError for a type that the data does not fit
 */
export function encode(path: string, name: string, { data }: { data: HostArray }, dtype: HostDtype): Uint8Array {
  // biome-ignore format: a table
  switch (dtype) {
    case "f16": return bytesOf(toHalf(checkedHalf(path, name, toFloat32(data))));
    case "bf16": return bytesOf(toBfloat(toFloat32(data)));
    case "f32": return bytesOf(toFloat32(data));
    case "i32": if (data instanceof Uint16Array) return bytesOf(Int32Array.from(data)); break;
    case "i64": if (data instanceof Uint32Array) return bytesOf(BigInt64Array.from(data, BigInt)); break;
  }
  if (data.BYTES_PER_ELEMENT === dtypeBytes[dtype] && !dtype.startsWith("f8")) return bytesOf(data);
  throw new ShapeError(`${path}: tensor ${show(name)} is ${dtype}, but its data is a ${data.constructor.name}.`);
}

/** The bytes of a tensor whose turn has come; there must be as many values as its shape says. */
export async function outgoingBytes(path: string, name: string, { shape, dtype, read }: Outgoing): Promise<Uint8Array> {
  const data = await read();
  if (data.length === elementCount(shape)) return encode(path, name, { data }, dtype);
  throw new ShapeError(`${path}: tensor ${show(name)} has shape [${shape.join(", ")}] but ${data.length} values.`);
}

function checkedHalf(path: string, name: string, data: Float32Array): Float32Array {
  for (let i = 0; i < data.length; i++) {
    if (Math.abs(data[i]!) < 65520 || !Number.isFinite(data[i])) continue;
    throw new FileError(
      `${path} was not written: tensor ${show(name)} holds ${data[i]} at ${i}, and float16 ends at 65504.\nStore it as f32.`,
    );
  }
  return data;
}

/** Float32 to the nearest bfloat16 (ties to even), as bits. */
export function toBfloat(data: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(data.length);
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < out.length; i++) {
    const b = bits[i]!;
    const nan = (b & 0x7fffffff) > 0x7f800000; // rounding could carry a NaN into infinity
    out[i] = nan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return out;
}
