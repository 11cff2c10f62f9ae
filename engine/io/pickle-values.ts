// What a pickle can hold once it is read. Nothing here is live: a class that the machine does not know is a name.

import type { Refuse } from "./refusals.js";

/** Python's list is an array, dict a Dict, int a number (a bigint from 2^53), float a number, None null. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Bytes
  | Value[]
  | Tuple
  | PickledSet
  | Dict
  | Global
  | Opaque;

/** Python's bytes, bytearray and Python 2's str: a piece of the buffer they were read in, never a copy. */
export class Bytes {
  #text: string | undefined;

  constructor(
    readonly from: Uint8Array,
    readonly start: number,
    readonly end: number,
  ) {}

  get length(): number {
    return this.end - this.start;
  }

  /** The bytes themselves, shared. */
  get view(): Uint8Array {
    return this.from.subarray(this.start, this.end);
  }

  /** As text, if it is UTF-8; decoded once, however often a pickle repeats the bytes. */
  get text(): string | undefined {
    try {
      this.#text ??= utf8.decode(this.view);
      return this.#text;
    } catch {
      return undefined;
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Tuple {
  constructor(readonly items: readonly Value[]) {}
}

export class PickledSet {
  readonly items: Value[] = [];
}

/** A class or function that is only named. Calling one is up to the machine's list. */
export class Global {
  constructor(readonly name: string) {}
}

/** An object that a function on the list made: an array, a dtype, a storage, a tensor. */
export abstract class Opaque {
  /** For errors: "an array". */
  abstract readonly what: string;
  /** Takes its state (BUILD), if it is an object that has one. */
  build?(state: Value, call: Call): void;
}

/** What a function on the list gets beside its arguments. */
export interface Call {
  readonly refuse: Refuse;
  /** Counts memory about to be taken against what the file's size allows. */
  charge(bytes: number): void;
}

export type Key = string | number | bigint | boolean | null | Tuple | Global | Opaque;

const none: ReadonlyMap<Key, Value> = new Map();

/** dict and OrderedDict. The map is made with the first entry: a checkpoint has an empty dict for every tensor. */
export class Dict {
  #map: Map<Key, Value> | undefined;

  /** @param ordered an OrderedDict, whose attributes a pickle may set */
  constructor(readonly ordered: boolean) {}

  get entries(): ReadonlyMap<Key, Value> {
    return this.#map ?? none;
  }

  get(key: string): Value | undefined {
    return this.#map?.get(key);
  }

  /** The last value of a key wins, as in Python. */
  set(key: Key, value: Value): void {
    this.#map ??= new Map();
    this.#map.set(key, value);
  }
}

/** The longest key of bytes; longer ones would be decoded again and again. */
const KEY_BYTES = 1000;

/** A value as a key; Python 2's names are bytes, and become texts. Undefined for what Python cannot hash either. */
export function keyOf(value: Value): Key | undefined {
  if (value instanceof Bytes) return value.length <= KEY_BYTES ? value.text : undefined;
  return Array.isArray(value) || value instanceof Dict || value instanceof PickledSet ? undefined : value;
}

/** A text, whether it was written as one or as Python 2's str. */
export function textOf(value: Value | undefined): string | undefined {
  if (value instanceof Bytes) return value.text;
  return typeof value === "string" ? value : undefined;
}

/** What a value is, for errors. */
export function describe(value: Value | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (value instanceof Bytes) return `${value.length} bytes`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Tuple) return `a tuple of ${value.items.length}`;
  if (value instanceof PickledSet) return "a set";
  if (value instanceof Dict) return "a dict";
  if (value instanceof Global) return `the class ${JSON.stringify(value.name.slice(0, 80))}`;
  if (value instanceof Opaque) return value.what;
  if (typeof value === "string") return "a text";
  return typeof value === "boolean" ? "a truth value" : "a number";
}

/** The items of a list or tuple. */
export function itemsOf(value: Value | undefined): readonly Value[] | undefined {
  if (value instanceof Tuple) return value.items;
  return Array.isArray(value) ? value : undefined;
}
