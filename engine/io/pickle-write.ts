// Writes pickles of protocol 2, which every Python since 2.3 and torch.load(weights_only=True) read.
//
//   80 02 <value> 2E         a value is written depth first; containers are opened empty, their contents lie between a mark
//                            and the opcode that takes them in
//
// Nothing is memoised: a name that comes up again is written again, and the file is a plain tree. Safe integers and bigints
// become Python's int, all other numbers float.

/** Python's None, bool, int or float, str, list, dict, and the four things below. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly PickleValue[]
  | ReadonlyMap<PickleValue, PickleValue>
  | Tuple
  | Global
  | Call
  | Persistent;

/** (a, b, ...) */
export class Tuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** A reference to `module.name`. */
export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}

/** `target(...args)`; `items` are then set in the result as in a dict. */
export class Call {
  constructor(
    readonly target: Global,
    readonly args: readonly PickleValue[],
    readonly items: ReadonlyMap<PickleValue, PickleValue> = new Map(),
  ) {}
}

/** Something that lies outside the pickle, by its id. */
export class Persistent {
  constructor(readonly id: PickleValue) {}
}

/** The bytes of one pickle. */
export const pickle = (value: PickleValue): Uint8Array =>
  Buffer.concat([opcodes("\x80\x02"), ...written(value), opcodes(".")]);

/** Opcodes, as pickletools prints them. */
const opcodes = (text: string): Buffer => Buffer.from(text, "latin1");

function* written(value: PickleValue): Generator<Buffer> {
  if (value === null) yield opcodes("N");
  else if (typeof value === "boolean") yield opcodes(value ? "\x88" : "\x89");
  else if (typeof value === "string") yield text(value);
  else if (typeof value === "bigint") yield integer(value);
  else if (typeof value === "number") yield number(value);
  else if (value instanceof Global) yield opcodes(`c${value.module}\n${value.name}\n`);
  else if (value instanceof Tuple) yield* tuple(value.items);
  else if (value instanceof Persistent) {
    yield* written(value.id);
    yield opcodes("Q");
  } else if (value instanceof Call) {
    yield* written(value.target);
    yield* tuple(value.args);
    yield opcodes("R");
    yield* filled([...value.items].flat(), "u");
  } else if (value instanceof Map) {
    yield opcodes("}");
    yield* filled([...value].flat(), "u");
  } else {
    yield opcodes("]");
    yield* filled(value as readonly PickleValue[], "e");
  }
}

function text(value: string): Buffer {
  const utf8 = Buffer.from(value, "utf8");
  const head = opcodes("X____");
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}

function number(value: number): Buffer {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return integer(BigInt(value));
  const bytes = opcodes("G________");
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

/** BININT where 32 bits are enough, else LONG1: a length and two's complement. */
function integer(value: bigint): Buffer {
  if (value === BigInt.asIntN(32, value)) {
    const bytes = opcodes("J____");
    bytes.writeInt32LE(Number(value), 1);
    return bytes;
  }
  const size = Math.ceil((value.toString(2).replace("-", "").length + 1) / 8); // with room for the sign
  const digits = Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
  return Buffer.from([0x8a, size, ...digits]);
}

/** Up to three items have an opcode of their own, more lie behind a mark. */
function* tuple(items: readonly PickleValue[]): Generator<Buffer> {
  const short = [")", "\x85", "\x86", "\x87"][items.length];
  if (!short) yield opcodes("(");
  for (const item of items) yield* written(item);
  yield opcodes(short ?? "t");
}

/** Puts items into the container on the stack. */
function* filled(items: readonly PickleValue[], opcode: string): Generator<Buffer> {
  if (items.length === 0) return;
  yield opcodes("(");
  for (const item of items) yield* written(item);
  yield opcodes(opcode);
}
