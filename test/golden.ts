// What the parity tests share: the golden files, and weights and inputs that are a pure function of a name
// (golden/README.md). GOLDEN_DIR may name another folder with the same file names and other contents.

import { join, resolve } from "node:path";
import { type HostTensor, toFloat32 } from "../engine/io/host.js";
import { openSafetensors, type Safetensors } from "../engine/io/safetensors.js";
import { fnv1a } from "../engine/random.js";

export const goldenDir = (): string => resolve(process.env.GOLDEN_DIR ?? "test/golden");

/** One golden file. `tag` goes before every name that makes weights or inputs. */
export interface Golden {
  file: Safetensors;
  tag: string;
  has(name: string): boolean;
  names(pattern: RegExp): string[];
  shape(name: string): number[];
  read(name: string): HostTensor;
  /** As float32, whatever the type in the file. */
  values(name: string): Float32Array<ArrayBuffer>;
  /** A text of the metadata; throws if it is missing. */
  meta(key: string): string;
  /** A number of the metadata. */
  number(key: string): number;
  /** JSON of the metadata, such as a config. */
  json<T>(key: string): T;
}

/** `loadGolden("unet_small")` opens unet_small.safetensors. */
export function loadGolden(name: string): Golden {
  const file = openSafetensors(join(goldenDir(), `${name}.safetensors`));
  const meta = (key: string): string => {
    const value = file.metadata.get(key);
    if (value === undefined) throw new Error(`${file.path} has no metadata "${key}".`);
    return value;
  };
  return {
    file,
    tag: file.metadata.get("tag") ?? "",
    has: (tensor) => file.has(tensor),
    names: (pattern) => file.names.filter((tensor) => pattern.test(tensor)),
    shape: (tensor) => file.info(tensor).shape,
    read: (tensor) => file.read(tensor),
    values: (tensor) => toFloat32(file.read(tensor).data),
    meta,
    number: (key) => Number(meta(key)),
    json: <T>(key: string) => JSON.parse(meta(key)) as T,
  };
}

/** A full avalanche of 32 bits (the finaliser of MurmurHash3). */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const product = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** n numbers in [-1, 1), float64, from a name. */
export function u(name: string, n: number): Float64Array {
  const out = new Float64Array(n);
  const start = fnv1a(name);
  for (let i = 0; i < n; i++) out[i] = mix((Math.imul(i, 0x9e3779b1) + start) | 0) / 2 ** 31 - 1;
  return out;
}

/** float32(u(name) a + b), row-major. */
export function hashed(name: string, shape: readonly number[], a = 1, b = 0): Float32Array<ArrayBuffer> {
  const out = new Float32Array(product(shape));
  const start = fnv1a(name);
  for (let i = 0; i < out.length; i++) out[i] = (mix((Math.imul(i, 0x9e3779b1) + start) | 0) / 2 ** 31 - 1) * a + b;
  return out;
}

/** Standard normal float32 numbers from a name (Box-Muller). */
export function normal(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const n = product(shape);
  const v = u(name, 2 * n);
  const out = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const u1 = Math.max((v[i]! + 1) / 2, 2 ** -32);
    const u2 = (v[n + i]! + 1) / 2;
    out[i] = Math.sqrt(-2 * Math.log(u1)) * Math.cos(2 * Math.PI * u2);
  }
  return out;
}

/** The value of a model's parameter or buffer: `paramValue(tag + "conv1.weight", [8, 3, 3, 3])`. */
export function paramValue(name: string, shape: readonly number[]): Float32Array<ArrayBuffer> {
  if (shape.length >= 2) return hashed(name, shape, Math.sqrt(3 / product(shape.slice(1))));
  switch (name.slice(name.lastIndexOf(".") + 1)) {
    case "weight":
    case "running_var":
      return hashed(name, shape, 0.1, 1);
    case "bias":
    case "running_mean":
      return hashed(name, shape, 0.1);
    case "num_batches_tracked":
      throw new Error(`${name} keeps its own value; leave it untouched.`);
    default:
      return hashed(name, shape);
  }
}

/** max|got - want| / max|want|: the error on the scale of the tensor. NaN or a wrong length is never small. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) throw new Error(`${got.length} values, but ${want.length} are expected.`);
  let worst = 0;
  let scale = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    if (difference > worst) worst = difference;
    if (Math.abs(want[i]!) > scale) scale = Math.abs(want[i]!);
  }
  return worst === 0 ? 0 : worst / scale;
}

/** Two numbers that stand for a tensor: its L2 norm, and its dot product with u("probe:" + name) (no tag). */
export function probe(name: string, data: ArrayLike<number>): [number, number] {
  const start = fnv1a(`probe:${name}`);
  let squares = 0;
  let dot = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    squares += value * value;
    dot += value * (mix((Math.imul(i, 0x9e3779b1) + start) | 0) / 2 ** 31 - 1);
  }
  return [Math.sqrt(squares), dot];
}
