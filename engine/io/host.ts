// Tensors in ordinary memory, as files hold them.

/** Every type a file may hold, with the bytes one element takes there. */
// biome-ignore format: a row per family
export const dtypeBytes = {
  f64: 8, f32: 4, f16: 2, bf16: 2, f8_e4m3: 1, f8_e5m2: 1,
  i64: 8, u64: 8, i32: 4, u32: 4, i16: 2, u16: 2, i8: 1, u8: 1, bool: 1,
} as const;

export type HostDtype = keyof typeof dtypeBytes;

export type HostArray =
  | Float64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** Row-major data and its shape; `[]` is a single value. */
export interface HostTensor {
  shape: number[];
  /** The type in the file. */
  dtype: HostDtype;
  /** f16, bf16 and f8 are widened to float32 (exactly), bool is a byte, all others keep their own type. */
  data: HostArray;
}

/** Number of elements, or undefined when the shape is negative, fractional or past 2^53. */
export function elementCount(shape: readonly number[]): number | undefined {
  let n = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    n *= size;
    if (!Number.isSafeInteger(n)) return undefined;
  }
  return n;
}

/** What keeps a tensor from being written: a length that is not the shape's, an array that is not the dtype's. */
export function misfit({ shape, dtype, data }: HostTensor): string | undefined {
  if (elementCount(shape) !== data.length) return `has shape [${shape.join(", ")}] but ${data.length} values`;
  const fits = data instanceof Float32Array || data.BYTES_PER_ELEMENT === dtypeBytes[dtype];
  return fits ? undefined : `is ${dtype}, but its data is a ${data.constructor.name}`;
}

/** Little-endian bytes of `dtype` as an array; `bytes` must start at the beginning of its buffer, which is kept. */
export function decode(bytes: Uint8Array<ArrayBuffer>, dtype: HostDtype): HostArray {
  const { buffer, length } = bytes;
  const n = length / dtypeBytes[dtype];
  // biome-ignore format: a table
  switch (dtype) {
    case "f64": return new Float64Array(buffer, 0, n);
    case "f32": return new Float32Array(buffer, 0, n);
    case "f16": return widen(new Uint16Array(buffer, 0, n), halves());
    case "bf16": return bfloatToFloat(new Uint16Array(buffer, 0, n));
    case "f8_e4m3": return widen(bytes, smallFloats(4, 3));
    case "f8_e5m2": return widen(bytes, smallFloats(5, 2));
    case "i64": return new BigInt64Array(buffer, 0, n);
    case "u64": return new BigUint64Array(buffer, 0, n);
    case "i32": return new Int32Array(buffer, 0, n);
    case "u32": return new Uint32Array(buffer, 0, n);
    case "i16": return new Int16Array(buffer, 0, n);
    case "u16": return new Uint16Array(buffer, 0, n);
    case "i8": return new Int8Array(buffer, 0, n);
    case "u8": case "bool": return bytes;
  }
}

/** The bytes of an array as they lie in memory. WebGPU knows only little-endian machines. */
export const bytesOf = (data: HostArray | Uint16Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Any data as float32; float32 data is returned itself, not copied. */
export function toFloat32(data: HostArray): Float32Array<ArrayBuffer> {
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const out = new Float32Array(data.length);
    for (let i = 0; i < out.length; i++) out[i] = Number(data[i]);
    return out;
  }
  return new Float32Array(data);
}

/** Float32 to the nearest float16 (ties to even), as bits; beyond 65,504 gives infinity. */
export function toHalf(data: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(data.length);
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < out.length; i++) out[i] = halfBits(bits[i]!);
  return out;
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65,520 and more round to infinity
  if (magnitude < 0x33000001) return sign; // at most 2^-25, half of the smallest subnormal
  const exponent = (magnitude >>> 23) - 112; // biased for float16; below 1 the result is subnormal
  const shift = exponent < 1 ? 14 - exponent : 13;
  const mantissa = exponent < 1 ? (magnitude & 0x7fffff) | 0x800000 : magnitude - (112 << 23);
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

function bfloatToFloat(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < out.length; i++) out[i] = bits[i]! << 16;
  return new Float32Array(out.buffer);
}

function widen(codes: Uint16Array | Uint8Array, table: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(codes.length);
  for (let i = 0; i < out.length; i++) out[i] = table[codes[i]!]!;
  return out;
}

let halfTable: Float32Array | undefined;

function halves(): Float32Array {
  halfTable ??= smallFloats(5, 10);
  return halfTable;
}

/**
 * The value of every code of a float with a sign, `exponent` and `mantissa` bits. All ones in the exponent mean infinity
 * or NaN, except in E4M3 (Micikevicius et al. 2022, "FP8 formats for deep learning"), where only S.1111.111 is NaN.
 */
function smallFloats(exponent: number, mantissa: number): Float32Array {
  const top = 2 ** exponent - 1;
  const bias = top >> 1;
  const finite = exponent === 4;
  return Float32Array.from({ length: 2 ** (1 + exponent + mantissa) }, (_, code) => {
    const e = (code >> mantissa) & top;
    const m = code & (2 ** mantissa - 1);
    const sign = code >> (exponent + mantissa) ? -1 : 1;
    if (e === top && finite && m === 2 ** mantissa - 1) return Number.NaN;
    if (e === top && !finite) return m ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return e === 0 ? sign * m * 2 ** (1 - bias - mantissa) : sign * (1 + m / 2 ** mantissa) * 2 ** (e - bias);
  });
}
