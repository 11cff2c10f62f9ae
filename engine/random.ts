// Random numbers without state: every stream is a pure function of a seed and a path of ids, so a run can be resumed,
// split over machines or replayed from any step without saving a generator.
//
//   const rng = random(seed, "dropout", step);      rng.normals(12)        always the same twelve numbers
//
// The generator is Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): ten rounds that
// turn a 128-bit counter and a 64-bit key into four 32-bit words. shaders/common/philox.wgsl is its twin on the GPU.
//
//   (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0,  lo(M1 c2),  hi(M0 c0) ^ c3 ^ k1,  lo(M0 c0))     one round
//   (k0, k1)         -> (k0 + W0, k1 + W1)                                                      between rounds

import { ShapeError } from "./errors.js";
import { recorder } from "./recorder.js";

export type Key = [number, number];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9; // golden ratio
const W1 = 0xbb67ae85; // sqrt(3) - 1
const ROUNDS = 10;

// The last word of the counter says what a block is for, so that no two uses of a key ever share one.
const BULK = 0; // arrays, on the CPU and on the GPU
const SINGLE = 1; // one number at a time
const KEYS = 2; // keys for arrays and kernels
const NUMBER_ID = 3; // a number of the path
const STRING_ID = 4; // a string of the path

/** High 32 bits of the product of two 32-bit numbers, in 16-bit limbs (every sum stays below 2^32). */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const cross = (Math.imul(aLow, bLow) >>> 16) + (Math.imul(aHigh, bLow) >>> 0);
  const middle = (cross & 0xffff) + (Math.imul(aLow, bHigh) >>> 0);
  return (Math.imul(aHigh, bHigh) + Math.floor(cross / 0x10000) + Math.floor(middle / 0x10000)) >>> 0;
}

/** Writes the four words of one block to out[at .. at + 4). */
function block(out: Uint32Array, at: number, c: readonly number[], key: Readonly<Key>): void {
  let [c0, c1, c2, c3] = c as [number, number, number, number];
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = mulHigh(M0, c0);
    const high1 = mulHigh(M1, c2);
    const low0 = Math.imul(M0, c0);
    const low1 = Math.imul(M1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** Philox 4x32-10: four random words (unsigned) for a counter of four words and a key of two. */
export function philox4x32(counter: readonly number[], key: Readonly<Key>): Uint32Array {
  const out = new Uint32Array(4);
  block(out, 0, counter, key);
  return out;
}

/** FNV-1a, 32 bits, over the UTF-8 bytes of a text. */
export function fnv1a(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

/** A word as a number in [0, 1): its top 24 bits, so that the float32 is exact and never 1. */
export const toUniform = (word: number): number => (word >>> 8) * 2 ** -24;

/** The n words a kernel with this key and offset (in blocks of four) works from. */
export function words(key: Readonly<Key>, n: number, offset = 0): Uint32Array {
  const out = new Uint32Array(Math.ceil(n / 4) * 4);
  const counter = [0, 0, 0, BULK];
  for (let i = 0; i < out.length; i += 4) {
    counter[0] = (offset + i / 4) >>> 0;
    block(out, i, counter, key);
  }
  return out.subarray(0, n);
}

/** n numbers in [0, 1): the twin of shaders/random_uniform.wgsl, bit for bit. */
export function uniformArray(key: Readonly<Key>, n: number, offset = 0): Float32Array {
  const out = new Float32Array(n);
  const word = words(key, n, offset);
  for (let i = 0; i < n; i++) out[i] = toUniform(word[i]!);
  return out;
}

/**
 * n standard normal numbers: the twin of shaders/random_normal.wgsl (same words; the last bits of log and cos differ).
 *
 *   r = sqrt(-2 ln(1 - u))    y = r cos(2 pi v), r sin(2 pi v)        (u, v) = words (0, 1) and (2, 3) of a block
 */
export function normalArray(key: Readonly<Key>, n: number, offset = 0): Float32Array {
  const word = words(key, Math.ceil(n / 4) * 4, offset);
  const out = new Float32Array(word.length);
  for (let i = 0; i < word.length; i += 2) {
    const r = Math.sqrt(-2 * Math.log(1 - toUniform(word[i]!)));
    const angle = 2 * Math.PI * toUniform(word[i + 1]!);
    out[i] = r * Math.cos(angle);
    out[i + 1] = r * Math.sin(angle);
  }
  return out.subarray(0, n);
}

/**
 * One stream. Calls advance it; a new `random(...)` of the same path begins it again. Arrays take a key of their own, so
 * that `rng.normals(n)` and a GPU kernel run with `rng.key()` give the same numbers.
 */
export class Rng {
  #key: Key;
  #keys = 0; // keys given out
  #singles = 0; // single words given out
  #block = new Uint32Array(4);

  constructor(key: Key) {
    this.#key = key;
  }

  /** The same stream from where it is now on. */
  copy(): Rng {
    const twin = new Rng(this.#key);
    twin.become(this);
    recorder?.copied(this, twin, () => twin.become(this));
    return twin;
  }

  /** Goes on where another stream is now, in its place. */
  become(other: Rng): void {
    this.#key = other.#key;
    this.#keys = other.#keys;
    this.#singles = other.#singles;
    this.#block = other.#block.slice();
  }

  /** A fresh 64-bit key for one array or one GPU kernel. */
  key(): Key {
    const key = this.#draw();
    recorder?.drawn(this, key, () => Object.assign(key, this.#draw()));
    return key;
  }

  /** In [0, 1), a multiple of 2^-24. */
  uniform(): number {
    return toUniform(this.#word());
  }

  /** Mean 0, standard deviation 1. */
  normal(): number {
    const r = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return r * Math.cos(2 * Math.PI * this.uniform());
  }

  /** An integer in [lo, hi), hi - lo at most 2^32. */
  integer(lo: number, hi: number): number {
    checkRange(lo, hi);
    return scaled(this.#word(), lo, hi);
  }

  uniforms(n: number): Float32Array {
    return uniformArray(this.#hostKey(), n);
  }

  normals(n: number): Float32Array {
    return normalArray(this.#hostKey(), n);
  }

  /** n integers in [lo, hi), which must fit an int32. */
  integers(n: number, lo: number, hi: number): Int32Array {
    checkRange(lo, hi);
    if (lo < -(2 ** 31) || hi > 2 ** 31) throw new ShapeError(`integers: [${lo}, ${hi}) does not fit 32-bit integers.`);
    const out = new Int32Array(n);
    const word = words(this.#hostKey(), n);
    for (let i = 0; i < n; i++) out[i] = scaled(word[i]!, lo, hi);
    return out;
  }

  /** n times 1 with probability p, else 0. */
  bernoulli(p: number, n: number): Uint8Array {
    const out = new Uint8Array(n);
    const word = words(this.#hostKey(), n);
    for (let i = 0; i < n; i++) out[i] = toUniform(word[i]!) < p ? 1 : 0;
    return out;
  }

  /** 0 .. n-1 in random order (Fisher-Yates). */
  permutation(n: number): Uint32Array {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    const word = words(this.#hostKey(), n);
    for (let i = n - 1; i > 0; i--) {
      const j = scaled(word[i]!, 0, i + 1);
      const held = order[i]!;
      order[i] = order[j]!;
      order[j] = held;
    }
    return order;
  }

  #draw(): Key {
    const [a, b] = philox4x32([this.#keys++, 0, 0, KEYS], this.#key);
    return [a!, b!];
  }

  /** For numbers that the host makes. */
  #hostKey(): Key {
    recorder?.refuse("a random number drawn by the host", "Draw it inside tensor(() => ...).");
    return this.#draw();
  }

  #word(): number {
    recorder?.refuse("a random number drawn by the host", "Draw it inside tensor(() => ...).");
    const place = this.#singles % 4;
    if (place === 0) {
      const n = Math.floor(this.#singles / 4);
      block(this.#block, 0, [n >>> 0, Math.floor(n / 2 ** 32), 0, SINGLE], this.#key);
    }
    this.#singles++;
    return this.#block[place]!;
  }
}

/** The stream of a seed and a path, e.g. `random(seed, "noise", identity, k)`. Numbers must be integers. */
export function random(seed: number, ...ids: (number | string)[]): Rng {
  let key = halves(seed, "the seed");
  ids.forEach((id, i) => {
    const [low, high] = typeof id === "string" ? [fnv1a(id), id.length] : halves(id, `id ${i}`);
    const kind = typeof id === "string" ? STRING_ID : NUMBER_ID;
    const [a, b] = philox4x32([low, high, 0, kind], key);
    key = [a!, b!];
  });
  return new Rng(key);
}

/** Low and high 32 bits (two's complement) of an integer. */
function halves(n: number, what: string): Key {
  if (!Number.isSafeInteger(n)) throw new ShapeError(`random: ${what} is ${n}, but must be an integer below 2^53.`);
  return [n >>> 0, Math.floor(n / 2 ** 32) >>> 0];
}

/** A word as an integer in [lo, hi). The bias is at most (hi - lo) / 2^32. */
const scaled = (word: number, lo: number, hi: number): number => lo + Math.floor((word / 2 ** 32) * (hi - lo));

function checkRange(lo: number, hi: number): void {
  if (Number.isSafeInteger(lo) && Number.isSafeInteger(hi) && hi > lo && hi - lo <= 2 ** 32) return;
  throw new ShapeError(`random integers: [${lo}, ${hi}) must hold 1 to 2^32 integers.`);
}
