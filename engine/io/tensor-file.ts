// What every file of tensors looks like once it is open, whatever wrote it. `openTensors` (open.ts) makes one.

import { FileError } from "../errors.js";
import type { HostDtype, HostTensor } from "./host.js";

/** An open file: names, shapes and scalars in memory, tensors on disk until one is asked for. */
export interface TensorFile {
  /** What errors name. */
  readonly path: string;
  /** "safetensors", "torch zip", "torch legacy", "npy", "npz" or "pickle". */
  readonly format: string;
  /** In the order of the file. Nested containers are joined with ".": "state_dict.model.weight", "optimizer_states.0.lr". */
  readonly names: string[];
  /** Scalars and strings of the file, printable, under the same joined names. */
  readonly metadata: ReadonlyMap<string, string>;
  has(name: string): boolean;
  /** Shape and type without reading the data. */
  info(name: string): { shape: number[]; dtype: HostDtype };
  /** Reads one tensor from the file; the caller owns it. */
  read(name: string): HostTensor;
}

/** The name of a tensor in a file that holds just one and gives it no name. */
export const UNNAMED = "array";

/** What reading one tensor takes. */
export interface Lazy {
  shape: number[];
  dtype: HostDtype;
  read(): HostTensor;
}

/** A file whose tensors know how to read themselves. */
export class LazyTensors implements TensorFile {
  readonly #tensors: ReadonlyMap<string, Lazy>;

  constructor(
    readonly path: string,
    readonly format: string,
    tensors: ReadonlyMap<string, Lazy>,
    readonly metadata: ReadonlyMap<string, string> = new Map(),
  ) {
    this.#tensors = tensors;
  }

  get names(): string[] {
    return [...this.#tensors.keys()];
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  info(name: string): { shape: number[]; dtype: HostDtype } {
    const { shape, dtype } = this.#find(name);
    return { shape: [...shape], dtype };
  }

  read(name: string): HostTensor {
    return this.#find(name).read();
  }

  #find(name: string): Lazy {
    return this.#tensors.get(name) ?? missing(this, name);
  }
}

/** Throws, with the first names that are there. */
export function missing(file: TensorFile, name: string): never {
  const some = file.names
    .slice(0, 5)
    .map((n) => show(n))
    .join(", ");
  const more = file.names.length > 5 ? ", ..." : "";
  throw new FileError(
    `${file.path} has no tensor ${show(name)}.\n  it has  ${file.names.length} tensors: ${some}${more}`,
  );
}

/** A text out of a file, safe to print: quoted, at most 80 characters. */
export const show = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
