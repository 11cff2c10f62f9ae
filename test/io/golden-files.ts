// What the tests of readers share: the golden files, what they hold, and what a reader may not do.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { FileError } from "../../engine/errors.js";
import type { HostTensor } from "../../engine/io/host.js";
import { Npz } from "../../engine/io/npz.js";
import { openTensors } from "../../engine/io/open.js";
import type { Source } from "../../engine/io/source.js";
import { goldenDir } from "../golden.js";

export interface ExpectedTensor {
  dtype: string;
  shape: number[];
  /** 64-bit integers as text. */
  values: (number | string)[];
}

export interface ExpectedCheckpoint {
  tensors?: Record<string, ExpectedTensor>;
  bare?: ExpectedTensor;
  scalars?: Record<string, number | string>;
  /** Names of the file with a number, a text, or a list of numbers. */
  nested?: Record<string, number | string | number[]>;
  class_key?: string;
}

export interface Bad {
  error: boolean | "either" | "or_skip";
  kind: string;
  why: string;
}

export interface ExpectedArray {
  descr: string;
  shape: number[];
  sha256: string;
  first: string[];
}

interface Expected {
  torch: Record<string, ExpectedCheckpoint>;
  npz: Record<string, Record<string, ExpectedArray>>;
  bad: Record<string, Bad>;
}

export const filesDir = join(goldenDir(), "files");
export const formatsDir = join(goldenDir(), "formats", "files");
export const binsDir = join(goldenDir(), "formats", "bins");
export const readJson = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), "utf8")) as T;
export const expected = readJson<Expected>(formatsDir, "expected.json");

/** torch's and NumPy's names of a type. */
const dtypes: Record<string, string> = {
  float64: "f64",
  float32: "f32",
  float16: "f16",
  bfloat16: "bf16",
  int64: "i64",
  int32: "i32",
  int16: "i16",
  int8: "i8",
  uint8: "u8",
  bool: "bool",
};

/** The type, shape and values of a tensor in the form that `asExpected` gives. */
export const asRead = ({ dtype, shape, data }: HostTensor) => ({ dtype, shape, values: [...data].map(text) });

export const asExpected = ({ dtype, shape, values }: ExpectedTensor) => ({
  dtype: dtypes[dtype.replace("torch.", "")] ?? dtype,
  shape,
  values: values.map(text),
});

const text = (value: unknown): string => (Object.is(value, -0) ? "-0" : String(value));

/** Opens a file of tensors and reads everything in it. */
export async function readAll(from: string | Source): Promise<void> {
  const file = await openTensors(from);
  for (const name of file.names) file.read(name);
  if (file instanceof Npz) for (const name of file.texts) file.readText(name);
}

/** The error of a run, undefined if it went well; anything but a FileError is thrown on. */
export async function refusalOf(run: () => unknown): Promise<FileError | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (error instanceof FileError) return error;
    throw error;
  }
}

/** Milliseconds of this process's work since the call, whatever else the machine does. */
export function stopwatch(): () => number {
  const started = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(started);
    return (user + system) / 1000;
  };
}

/** Files that the hostile ones would leave: in the working directory, above it, and where evil.* writes. */
export function traces(): string[] {
  const folders = new Set([process.cwd(), goldenDir(), formatsDir, binsDir, "/"]);
  for (let folder = process.cwd(); folder !== dirname(folder); folder = dirname(folder)) folders.add(dirname(folder));
  const found = [...folders].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.startsWith("PWNED"))
      .map((name) => resolve(folder, name)),
  );
  return existsSync("/tmp/pwned_by_pickle") ? [...found, "/tmp/pwned_by_pickle"] : found;
}
