// The opcodes of a pickle: code, the name CPython gives it, what it does. https://docs.python.org/3/library/pickletools.html

import type { Machine } from "./pickle.js";
import { float, integer, latin1, longOf, quoted, rawUnicode } from "./pickle-text.js";
import { Tuple } from "./pickle-values.js";
import { pickleReasons } from "./refusals.js";

type Opcode = readonly [name: string, effect: (m: Machine) => void];

const NOTHING = new Tuple([]);

/** These make an object of any class, call a function by a number, or take data from outside: no writer of weights needs them. */
const forbidden = (m: Machine): void => m.refuse(pickleReasons.forbidden);

const number = (m: Machine, value: number | bigint | boolean): void => {
  m.charge(16); // small integers take nothing, but a float does
  m.push(value);
};

const tuple = (m: Machine, length: number): void => m.tuple(Array.from({ length }, () => m.pop()).reverse());

const protocol = (m: Machine): void => {
  const version = m.input.u8();
  if (version > 5) m.refuse(pickleReasons.protocol(version));
};

const global = (m: Machine): void => {
  const module = latin1(m.input.line());
  m.global(module, latin1(m.input.line()));
};

const memoIndex = (m: Machine): number => {
  const line = m.input.line();
  const index = integer(line, false, m.refuse);
  if (typeof index !== "number" || index < 0) return m.refuse(pickleReasons.memo(String(index)));
  return index;
};

const quotedText = (m: Machine): void => {
  const line = m.input.line();
  m.charge(56 + line.length);
  m.push(quoted(line, m.refuse));
};

const unicodeText = (m: Machine): void => {
  const line = m.input.line();
  m.charge(24 + 2 * line.length);
  m.push(rawUnicode(line, m.refuse));
};

// biome-ignore format: a table
const table: Record<number, Opcode> = {
  // The stack and its marks
  40: ["MARK", (m) => m.mark()],
  46: ["STOP", (m) => m.stop()],
  48: ["POP", (m) => m.drop()],
  49: ["POP_MARK", (m) => void m.popMark()],
  50: ["DUP", (m) => m.push(m.top())],
  128: ["PROTO", protocol],
  149: ["FRAME", (m) => m.frame(m.input.u64())],

  // The memo
  103: ["GET", (m) => m.get(memoIndex(m))],
  104: ["BINGET", (m) => m.get(m.input.u8())],
  106: ["LONG_BINGET", (m) => m.get(m.input.u32())],
  112: ["PUT", (m) => m.put(memoIndex(m))],
  113: ["BINPUT", (m) => m.put(m.input.u8())],
  114: ["LONG_BINPUT", (m) => m.put(m.input.u32())],
  148: ["MEMOIZE", (m) => m.memoize()],

  // Numbers
  78: ["NONE", (m) => m.push(null)],
  136: ["NEWTRUE", (m) => m.push(true)],
  137: ["NEWFALSE", (m) => m.push(false)],
  73: ["INT", (m) => number(m, integer(m.input.line(), true, m.refuse))],
  74: ["BININT", (m) => number(m, m.input.i32())],
  75: ["BININT1", (m) => m.push(m.input.u8())],
  77: ["BININT2", (m) => m.push(m.input.u16())],
  76: ["LONG", (m) => number(m, integer(m.input.line(), false, m.refuse))],
  138: ["LONG1", (m) => number(m, longOf(m.input.bytes(m.input.u8()), m.refuse))],
  139: ["LONG4", (m) => long4(m)],
  70: ["FLOAT", (m) => number(m, float(m.input.line(), m.refuse))],
  71: ["BINFLOAT", (m) => number(m, m.input.f64())],

  // Texts and bytes; Python 2's str is bytes
  83: ["STRING", quotedText],
  84: ["BINSTRING", (m) => m.bytes(m.input.i32())],
  85: ["SHORT_BINSTRING", (m) => m.bytes(m.input.u8())],
  66: ["BINBYTES", (m) => m.bytes(m.input.u32())],
  67: ["SHORT_BINBYTES", (m) => m.bytes(m.input.u8())],
  142: ["BINBYTES8", (m) => m.bytes(m.input.u64())],
  150: ["BYTEARRAY8", (m) => m.bytes(m.input.u64())],
  152: ["READONLY_BUFFER", (m) => m.readOnly()],
  86: ["UNICODE", unicodeText],
  88: ["BINUNICODE", (m) => m.text(m.input.u32())],
  140: ["SHORT_BINUNICODE", (m) => m.text(m.input.u8())],
  141: ["BINUNICODE8", (m) => m.text(m.input.u64())],

  // Containers
  93: ["EMPTY_LIST", (m) => m.list([])],
  108: ["LIST", (m) => m.list(m.popMark())],
  97: ["APPEND", (m) => m.append([m.pop()])],
  101: ["APPENDS", (m) => m.append(m.popMark())],
  41: ["EMPTY_TUPLE", (m) => m.push(NOTHING)],
  116: ["TUPLE", (m) => m.tuple(m.popMark())],
  133: ["TUPLE1", (m) => tuple(m, 1)],
  134: ["TUPLE2", (m) => tuple(m, 2)],
  135: ["TUPLE3", (m) => tuple(m, 3)],
  125: ["EMPTY_DICT", (m) => m.dict([])],
  100: ["DICT", (m) => m.dict(m.popMark())],
  115: ["SETITEM", (m) => m.setItems([m.pop(), m.pop()].reverse())],
  117: ["SETITEMS", (m) => m.setItems(m.popMark())],
  143: ["EMPTY_SET", (m) => m.set([])],
  144: ["ADDITEMS", (m) => m.add(m.popMark())],
  145: ["FROZENSET", (m) => m.set(m.popMark())],

  // Names, calls, state
  99: ["GLOBAL", global],
  147: ["STACK_GLOBAL", (m) => m.stackGlobal()],
  82: ["REDUCE", (m) => m.reduce()],
  98: ["BUILD", (m) => m.build()],
  80: ["PERSID", (m) => m.persistent(latin1(m.input.line()))],
  81: ["BINPERSID", (m) => m.persistent(m.pop())],

  105: ["INST", forbidden],
  111: ["OBJ", forbidden],
  129: ["NEWOBJ", forbidden],
  146: ["NEWOBJ_EX", forbidden],
  130: ["EXT1", forbidden],
  131: ["EXT2", forbidden],
  132: ["EXT4", forbidden],
  151: ["NEXT_BUFFER", forbidden],
};

function long4(m: Machine): void {
  const length = m.input.i32();
  if (length < 0) m.refuse(pickleReasons.negative(length));
  number(m, longOf(m.input.bytes(length), m.refuse));
}

/** By code; the missing ones are no opcodes. */
export const opcodes: readonly (Opcode | undefined)[] = Array.from({ length: 256 }, (_, code) => table[code]);
