// Mutated checkpoints, arrays, pickles and verification sets. Whatever the bytes are, a reader gives an answer or a
// FileError, at once, in little memory, and writes nothing. FUZZ=20000 sets the number of mutations, FUZZ_SEED the seed; a
// failure names its number, and FUZZ_ONLY=<number> repeats it alone.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readNames, readVerificationBin } from "../../data/verification-bin.js";
import { FileError } from "../../engine/errors.js";
import { Npz } from "../../engine/io/npz.js";
import { openTensors } from "../../engine/io/open.js";
import type { Source } from "../../engine/io/source.js";
import { type Rng, random } from "../../engine/random.js";
import { binsDir, filesDir, formatsDir, stopwatch, traces } from "./golden-files.js";
import { npyOf, zipOf } from "./make-files.js";

const COUNT = Number(process.env.FUZZ ?? 2000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const ONLY = process.env.FUZZ_ONLY;

/** Bytes that may be taken beside ten times the file: V8 lets as much garbage lie before it looks for any. */
const FLOOR = 2 ** 24;
const SLOW_MS = 1000;

interface Sample {
  name: string;
  bytes: Buffer;
}

function corpus(): Sample[] {
  const folders = [filesDir, formatsDir, join(formatsDir, "bad"), binsDir, join(binsDir, "bad")];
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.(pt|pth|ckpt|npy|npz|safetensors|pkl|bin)$/.test(name))
      .map((name) => ({ name, bytes: readFileSync(join(folder, name)) })),
  );
  return files.filter(({ bytes }) => bytes.length < 200_000);
}

const samples = corpus();
const pick = <T>(rng: Rng, items: readonly T[]): T => items[rng.integer(0, items.length)]!;

/** Values at which lengths, counts and offsets turn over. */
const TURNS = [
  0n,
  1n,
  2n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 64n - 1n,
];

/** Pieces of programs for the pickle machine, some of which fit together. */
// biome-ignore format: a table
const PIECES = [
  "(", "t", "]", "}", ")", "e", "u", "a", "s", "0", "1", "2", "R", "b", "Q", ".", "N", "\x88", "\x89", "\x85", "\x86", "\x87", "\x8f", "\x90", "\x94",
  "\x93", "\x96", "\x97", "\x98", "K\x01", "J\xff\xff\xff\xff", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "U\x01a", "X\x01\0\0\0a", "q\x05", "h\x05", "h\0", "h\x01",
  "r\xff\xff\xff\x7f", "j\xff\xff\xff\x7f", "I01\n", "S'a'\n", "L1L\n", "F1e400\n", "ccollections\nOrderedDict\n", "cos\nsystem\n", "c__builtin__\nset\n",
  "c_codecs\nencode\n", "cnumpy\ndtype\n", "cnumpy\nndarray\n", "cnumpy.core.multiarray\n_reconstruct\n", "cnumpy.core.multiarray\nscalar\n",
  "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_parameter\n", "ctorch\nFloatStorage\n", "]q\0h\0a", "}q\0K\x01h\0s",
].map((piece) => Buffer.from(piece, "latin1"));

type Mutation = (bytes: Buffer, rng: Rng) => Buffer;
const place = (bytes: Buffer, rng: Rng) => rng.integer(0, bytes.length + 1);
const insert = (bytes: Buffer, at: number, piece: Uint8Array) =>
  Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);

const mutations: Mutation[] = [
  function flipBits(bytes, rng) {
    for (let n = rng.integer(1, 9); n > 0 && bytes.length > 0; n--) {
      const at = rng.integer(0, bytes.length);
      bytes[at] = bytes[at]! ^ (1 << rng.integer(0, 8));
    }
    return bytes;
  },
  function setByte(bytes, rng) {
    if (bytes.length > 0)
      bytes[rng.integer(0, bytes.length)] = pick(rng, [0, 1, 0x28, 0x2e, 0x7f, 0x80, 0xff, rng.integer(0, 256)]);
    return bytes;
  },
  (bytes, rng) => bytes.subarray(0, place(bytes, rng)),
  (bytes, rng) => bytes.subarray(place(bytes, rng)),
  function setLength(bytes, rng) {
    const field = Buffer.alloc(8);
    field.writeBigUInt64LE(pick(rng, [...TURNS, BigInt(bytes.length), BigInt(bytes.length + 1)]));
    field.copy(bytes, place(bytes, rng), 0, pick(rng, [1, 2, 4, 8]));
    return bytes;
  },
  function copyWithin(bytes, rng) {
    const from = place(bytes, rng);
    bytes.copy(bytes, place(bytes, rng), from, from + rng.integer(1, 64));
    return bytes;
  },
  function remove(bytes, rng) {
    const at = place(bytes, rng);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + rng.integer(1, 64))]);
  },
  function splice(bytes, rng) {
    const other = pick(rng, samples).bytes;
    const from = place(other, rng);
    return insert(bytes, place(bytes, rng), other.subarray(from, from + rng.integer(1, 512)));
  },
  function addOpcodes(bytes, rng) {
    const pieces = Array.from({ length: rng.integer(1, 12) }, () => pick(rng, PIECES));
    return insert(bytes, place(bytes, rng), Buffer.concat(pieces));
  },
  function repeat(bytes, rng) {
    const piece = pick(rng, PIECES);
    // Seldom as many as make the file's own size the bound of what it may take.
    const times = 2 ** (rng.uniform() < 0.1 ? rng.integer(12, 18) : rng.integer(1, 12));
    return insert(bytes, place(bytes, rng), Buffer.alloc(times * piece.length, piece));
  },
];

/** One mutated file, sometimes wrapped anew, so that checksums and directories fit what is inside. */
function mutated(i: number): Sample {
  const rng = random(SEED, "fuzz", i);
  const sample = pick(rng, samples);
  let { name } = sample;
  let bytes: Buffer = Buffer.from(sample.bytes);
  for (let n = rng.integer(1, 4); n > 0; n--) bytes = Buffer.from(pick(rng, mutations)(bytes, rng));
  if (name.endsWith(".bin") && rng.uniform() < 0.3) {
    name = "archive.pt";
    bytes = zipOf([
      { name: "a/data.pkl", data: bytes },
      { name: "a/data/0", data: new Uint8Array(64) },
    ]);
  } else if (name.endsWith(".npy") && rng.uniform() < 0.5) {
    bytes = zipOf([{ name: "a.npy", data: bytes, deflated: rng.uniform() < 0.5 }]);
  } else if (name.endsWith(".pkl") || rng.uniform() < 0.05) {
    bytes = npyOf("|O", [], bytes);
  }
  return { name: `fuzz-${i}-${name}`, bytes };
}

/** Bytes as a source that refuses reads past the end, as every source does, and remembers the longest. */
function watched({ name, bytes }: Sample): Source & { longest: number } {
  return {
    name,
    size: bytes.length,
    longest: 0,
    read(position, length) {
      if (!(position >= 0 && length >= 0 && position + length <= bytes.length))
        throw new FileError(`${name} is too short.`);
      this.longest = Math.max(this.longest, length);
      return new Uint8Array(bytes.subarray(position, position + length));
    },
  };
}

/** Runs one reader; anything but an answer or a FileError, a long time, or much memory is an error. */
async function attempt<T>(source: Source, run: () => T | Promise<T>): Promise<T | undefined> {
  const before = process.memoryUsage();
  const elapsed = stopwatch();
  let value: T | undefined;
  let error: unknown;
  try {
    value = await run();
  } catch (thrown) {
    error = thrown;
  }
  const took = elapsed();
  const after = process.memoryUsage();
  const limit = 10 * source.size + FLOOR;
  if (took > worst.ms) Object.assign(worst, { ms: took, name: source.name });
  worst.heap = Math.max(worst.heap, after.heapUsed - before.heapUsed);
  worst.buffers = Math.max(worst.buffers, after.arrayBuffers - before.arrayBuffers);
  if (error !== undefined && !(error instanceof FileError)) throw error;
  if (error instanceof FileError && !error.message.includes(source.name))
    throw new Error(`The error names no file: ${error.message}`);
  if (took > SLOW_MS) throw new Error(`It took ${took} ms.`);
  if (after.arrayBuffers - before.arrayBuffers > limit)
    throw new Error(`${after.arrayBuffers - before.arrayBuffers} bytes of buffers`);
  if (after.heapUsed - before.heapUsed > limit) throw new Error(`${after.heapUsed - before.heapUsed} bytes of heap`);
  tally[error ? "refused" : "read"]++;
  return value;
}

const worst = { ms: 0, name: "", heap: 0, buffers: 0 };
const tally = { read: 0, refused: 0 };

async function readEverything(sample: Sample): Promise<void> {
  const source = watched(sample);
  if (/\.bin$/.test(sample.name)) {
    await attempt(source, () => readVerificationBin(source));
    await attempt(source, () => readNames(source));
  }
  const file = await attempt(source, () => openTensors(source));
  for (const name of file?.names ?? []) await attempt(source, () => file!.read(name));
  if (file instanceof Npz) for (const name of file.texts) await attempt(source, () => file.readText(name));
  if (source.longest > source.size) throw new Error(`It read ${source.longest} bytes at once.`);
}

test(`why: ${COUNT} mutated files end in an answer or a FileError, within ${SLOW_MS} ms, in memory of their own size`, {
  timeout: 120_000 + COUNT * 100,
}, async () => {
  const started = performance.now();
  const numbers = ONLY === undefined ? Array.from({ length: COUNT }, (_, i) => i) : [Number(ONLY)];
  for (const i of numbers) {
    const sample = mutated(i);
    try {
      await readEverything(sample);
    } catch (error) {
      const what = `Mutation ${i} of seed ${SEED} (${sample.name}, ${sample.bytes.length} bytes)`;
      throw new Error(`${what}: ${(error as Error).stack}`);
    }
  }
  expect(traces()).toEqual([]);
  const seconds = (performance.now() - started) / 1000;
  if (process.env.FUZZ) console.info(JSON.stringify({ COUNT, SEED, seconds, ...tally, worst }));
  if (ONLY !== undefined) return;
  expect(tally.refused).toBeGreaterThan(COUNT / 4);
  expect(tally.read).toBeGreaterThan(COUNT / 20);
});
