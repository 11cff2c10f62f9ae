// A restricted pickle machine, protocols 0 to 5, for files that may come from anyone.
//
// A pickle is a program for a stack machine (pickle-opcodes.ts has the table). This one builds numbers, texts, bytes,
// lists, tuples, dicts and sets, and calls the few functions it is given (pickle-calls.ts, torch-calls.ts): our own, which
// make arrays and tensors. Any other class stays a name (Global); calling it, building it or filling it is refused.
//
// Bounds        memory that values take, as a multiple of the file's size; containers open at a time; digits of an integer.
//               A length is compared with the bytes left before anything is made of it.
// Order         of the checks in an opcode: the bytes are there, the stack holds what it takes, memory, then the effect.

import { Cursor } from "./cursor.js";
import { opcodes } from "./pickle-opcodes.js";
import {
  Bytes,
  type Call,
  Dict,
  describe,
  Global,
  keyOf,
  Opaque,
  PickledSet,
  Tuple,
  textOf,
  type Value,
} from "./pickle-values.js";
import { pickleReasons, type Refuse, refusal, type wayOut } from "./refusals.js";
import type { Source } from "./source.js";

/** A function that a pickle may call. */
export type Callable = (args: readonly Value[], call: Call) => Value;

export interface PickleOptions {
  /** By name, as `canonical` gives it: "collections.OrderedDict". */
  callables: ReadonlyMap<string, Callable>;
  /** What a reference to data outside the pickle stands for; without it there may be none. */
  persistent?: (id: Value, call: Call) => Value;
  way: keyof typeof wayOut;
  /** Bytes of the whole file, where the source is a member of it; memory is bounded by it. */
  fileSize?: number;
}

/** Values may take ten times the file, and these bytes on top, for small files. */
const MEMORY_FACTOR = 10;
const MEMORY_FLOOR = 2 ** 21;
/** CPython's own writer nests no deeper than its recursion limit, 1,000. */
const MARKS_LIMIT = 1000;
const GLOBAL_LETTERS = 500;

/** Reads the pickle at `position`; `end` is the position after its STOP. */
export function unpickle(source: Source, options: PickleOptions, position = 0): { value: Value; end: number } {
  const machine = new Machine(source, options, position);
  return { value: machine.run(), end: machine.input.position };
}

/** What counts the memory that a file's values take. */
export function allowance(fileSize: number, refuse: Refuse): (bytes: number) => void {
  const limit = MEMORY_FACTOR * fileSize + MEMORY_FLOOR;
  let used = 0;
  return (bytes) => {
    used += bytes;
    if (used > limit) refuse(pickleReasons.memory(limit));
  };
}

/** Python 2's names, and NumPy 2's private ones, under the names they have elsewhere. */
const canonical = (module: string, name: string): string =>
  `${module
    .replace(/^__builtin__$/, "builtins")
    .replace(/^copy_reg$/, "copyreg")
    .replace(/^numpy\._core\./, "numpy.core.")}.${name}`;

export class Machine implements Call {
  readonly input: Cursor;
  readonly charge: (bytes: number) => void;
  readonly #options: PickleOptions;
  readonly #stack: Value[] = [];
  readonly #marks: number[] = [];
  /** Writers number entries 0, 1, 2, ...; what comes in another order goes into `#sparse`. */
  readonly #memo: Value[] = [];
  readonly #sparse = new Map<number, Value>();
  #highest = 0;
  #stopped = false;
  /** The opcode at work, for errors. */
  #at = 0;
  #name = "start";

  constructor(source: Source, options: PickleOptions, position: number) {
    this.#options = options;
    const refuse = refusal(source.name, options.way);
    this.#refuse = refuse;
    this.input = new Cursor(source, position, this.refuse);
    this.charge = allowance(options.fileSize ?? source.size, this.refuse);
  }

  readonly #refuse: Refuse;
  readonly refuse: Refuse = (why) => this.#refuse(`${why}, at byte ${this.#at} (${this.#name})`);

  run(): Value {
    while (!this.#stopped) {
      this.#at = this.input.position;
      this.#name = "end";
      if (this.input.left === 0) this.refuse(pickleReasons.noStop);
      const code = this.input.u8();
      const [name, effect] = opcodes[code] ?? this.#unknown(code);
      this.#name = name;
      effect(this);
    }
    const value = this.pop();
    if (this.#stack.length > 0) this.refuse(pickleReasons.leftOver(this.#stack.length));
    return value;
  }

  #unknown(code: number): never {
    this.#name = `0x${code.toString(16).padStart(2, "0")}`;
    return this.refuse(pickleReasons.opcode);
  }

  stop(): void {
    this.#stopped = true;
  }

  push(value: Value): void {
    this.#stack.push(value);
    if (this.#stack.length <= this.#highest) return;
    this.#highest = this.#stack.length;
    this.charge(8);
  }

  /** Takes the top value, which lies above the last mark. */
  pop(): Value {
    if (this.#stack.length === (this.#marks.at(-1) ?? 0)) this.refuse(pickleReasons.emptyStack);
    return this.#stack.pop()!;
  }

  top(): Value {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  mark(): void {
    if (this.#marks.length >= MARKS_LIMIT) this.refuse(pickleReasons.tooManyMarks(MARKS_LIMIT));
    this.#marks.push(this.#stack.length);
  }

  /** Takes all values above the last mark, and the mark. */
  popMark(): Value[] {
    return this.#stack.splice(this.#marks.pop() ?? this.refuse(pickleReasons.noMark));
  }

  /** POP: a value, or the mark when that is on top. */
  drop(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  put(index: number): void {
    const value = this.top();
    this.charge(index === this.#memo.length ? 8 : 48);
    if (index < this.#memo.length) this.#memo[index] = value;
    else if (index === this.#memo.length) this.#memo.push(value);
    else this.#sparse.set(index, value);
  }

  memoize(): void {
    this.put(this.#memo.length + this.#sparse.size);
  }

  get(index: number): void {
    this.push(this.#memo[index] ?? this.#sparse.get(index) ?? this.#absent(index));
  }

  /** None is a value too. */
  #absent(index: number): Value {
    if (index in this.#memo || this.#sparse.has(index)) return null;
    return this.refuse(pickleReasons.memo(String(index)));
  }

  /** A list, tuple or set of values from the stack. */
  tuple(items: readonly Value[]): void {
    this.charge(64 + 8 * items.length);
    this.push(new Tuple(items));
  }

  list(items: Value[]): void {
    this.charge(32 + 8 * items.length);
    this.push(items);
  }

  append(items: readonly Value[]): void {
    const target = this.top();
    if (!Array.isArray(target)) this.refuse(pickleReasons.into("appends to", describe(target)));
    this.charge(8 * items.length + (target.length === 0 ? 136 : 0)); // V8 makes room for 17 at once
    for (const item of items) target.push(item);
  }

  set(items: readonly Value[]): void {
    this.charge(64);
    this.push(new PickledSet());
    this.add(items);
  }

  add(items: readonly Value[]): void {
    const target = this.top();
    if (!(target instanceof PickledSet)) this.refuse(pickleReasons.into("adds to", describe(target)));
    this.charge(8 * items.length);
    for (const item of items) target.items.push(item);
  }

  dict(items: readonly Value[]): void {
    this.charge(56);
    this.push(new Dict(false));
    this.setItems(items);
  }

  /** Keys and values in turn. */
  setItems(items: readonly Value[]): void {
    const target = this.top();
    if (!(target instanceof Dict)) this.refuse(pickleReasons.into("sets items of", describe(target)));
    if (items.length % 2 === 1) this.refuse(pickleReasons.odd);
    for (let i = 0; i < items.length; i += 2) setItem(target, items[i]!, items[i + 1]!, this);
  }

  global(module: string | undefined, name: string | undefined): void {
    const text = `${module ?? "?"}.${name ?? "?"}`;
    if (!module || !name || name.includes(".") || text.length > GLOBAL_LETTERS || !/^[\w.]+$/.test(text)) {
      this.refuse(pickleReasons.global(text.slice(0, GLOBAL_LETTERS)));
    }
    this.charge(40 + text.length);
    this.push(new Global(canonical(module, name)));
  }

  /** STACK_GLOBAL */
  stackGlobal(): void {
    const name = this.pop();
    this.global(textOf(this.pop()), textOf(name));
  }

  reduce(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof Global)) this.refuse(pickleReasons.callable(describe(callee)));
    const callable = this.#options.callables.get(callee.name) ?? this.refuse(pickleReasons.call(callee.name));
    if (!(args instanceof Tuple)) this.refuse(pickleReasons.args(callee.name));
    this.push(callable(args.items, this));
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    // The attributes of an OrderedDict: torch hangs `_metadata`, versions of modules, on a state dict. Nothing needs them.
    if (target instanceof Dict && target.ordered && state instanceof Dict) return;
    if (!(target instanceof Opaque) || !target.build) this.refuse(pickleReasons.build(describe(target)));
    target.build(state, this);
  }

  persistent(id: Value): void {
    const persistent = this.#options.persistent ?? this.refuse(pickleReasons.persistent);
    this.push(persistent(id, this));
  }

  /** Bytes with a length that the file gives. */
  bytes(length: number | bigint): void {
    this.charge(56);
    this.push(this.#take(length));
  }

  /** The same, as text. */
  text(length: number | bigint): void {
    const bytes = this.#take(length);
    this.charge(24 + 2 * bytes.length);
    this.push(bytes.text ?? this.refuse(pickleReasons.utf8));
  }

  #take(length: number | bigint): Bytes {
    if (length < 0) this.refuse(pickleReasons.negative(Number(length)));
    if (length > this.input.left) this.refuse(pickleReasons.ends(Number(length), this.input.left));
    return this.input.bytes(Number(length));
  }

  /** READONLY_BUFFER: bytes stay bytes. */
  readOnly(): void {
    const value = this.top();
    if (!(value instanceof Bytes)) this.refuse(pickleReasons.into("locks", describe(value)));
  }

  frame(length: bigint): void {
    if (length > this.input.left) this.refuse(pickleReasons.frame(length, this.input.left));
  }
}

/** Sets one item of a dict, counting what it takes. */
export function setItem(target: Dict, key: Value, value: Value, call: Call): void {
  call.charge((target.entries.size === 0 ? 250 : 50) + (key instanceof Bytes ? key.length : 0));
  target.set(keyOf(key) ?? call.refuse(pickleReasons.key(describe(key))), value);
}
