// The functions that any pickle may call: what Python itself and NumPy write for bytes, sets, ordered dicts, dtypes, arrays
// and scalars. Each is ours and looks at its arguments; the names on this list are not looked up anywhere.

import type { Callable } from "./pickle.js";
import { setItem } from "./pickle.js";
import { asDType, DType, PickledArray } from "./pickle-arrays.js";
import { Bytes, type Call, Dict, Global, itemsOf, PickledSet, Tuple, textOf, type Value } from "./pickle-values.js";
import { arrayReasons, pickleReasons } from "./refusals.js";

type Entry = [name: string, call: Callable];

/** A function that is refused when called with other arguments than `accept` takes. */
function on(name: string, accept: (args: readonly Value[], call: Call) => Value | undefined): Entry {
  return [name, (args, call) => accept(args, call) ?? call.refuse(pickleReasons.args(name))];
}

export const plainCalls: ReadonlyMap<string, Callable> = new Map([
  on("collections.OrderedDict", orderedDict),
  on("_codecs.encode", encode),
  on("builtins.bytes", (args) => (args.length === 0 ? new Bytes(new Uint8Array(0), 0, 0) : undefined)),
  on("builtins.set", ([items], call) => (Array.isArray(items) ? setOf(items, call) : undefined)),
  on("numpy.dtype", dtype),
  on("numpy.core.multiarray._reconstruct", reconstruct),
  on("numpy.core.multiarray.scalar", scalar),
  on("numpy.core.numeric._frombuffer", fromBuffer),
]);

/** Python 3 calls it empty and fills it; Python 2 gives a list of pairs. */
function orderedDict(args: readonly Value[], call: Call): Dict | undefined {
  call.charge(56);
  const dict = new Dict(true);
  if (args.length > 1 || (args.length === 1 && !Array.isArray(args[0]))) return undefined;
  for (const pair of (args[0] as Value[] | undefined) ?? []) {
    const [key, value, more] = itemsOf(pair) ?? [];
    if (key === undefined || value === undefined || more !== undefined) return undefined;
    setItem(dict, key, value, call);
  }
  return dict;
}

/** bytes, as Python 3 writes them at protocols 0 to 2: a text with one letter per byte. */
function encode([text, codec, more]: readonly Value[], call: Call): Bytes | undefined {
  const name = textOf(codec);
  if (typeof text !== "string" || (name !== "latin1" && name !== "latin-1") || more !== undefined) return undefined;
  call.charge(56 + text.length);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return undefined;
    bytes[i] = code;
  }
  return new Bytes(bytes, 0, bytes.length);
}

function setOf(items: readonly Value[], call: Call): PickledSet {
  call.charge(64 + 8 * items.length);
  const set = new PickledSet();
  for (const item of items) set.items.push(item);
  return set;
}

/** dtype('u1', False, True); Python 2 has 0 and 1 for the truth values, which do not matter here. */
function dtype([code]: readonly Value[], call: Call): DType | undefined {
  call.charge(64);
  const text = textOf(code);
  return text === undefined ? undefined : new DType(text, call.refuse);
}

/** _reconstruct(ndarray, (0,), b'b'): an array to be filled by BUILD. */
function reconstruct([type, shape, code]: readonly Value[], call: Call): PickledArray | undefined {
  call.charge(100);
  const empty = shape instanceof Tuple && shape.items.length === 1 && shape.items[0] === 0;
  const known = type instanceof Global && type.name === "numpy.ndarray" && textOf(code) === "b";
  return empty && known ? new PickledArray() : undefined;
}

function scalar([type, raw]: readonly Value[], call: Call): Value | undefined {
  const kind = asDType(type);
  if (!kind || !(raw instanceof Bytes)) return undefined;
  const array = new PickledArray();
  array.fill([], kind, false, raw, call);
  const { data } = array.tensor(call.refuse);
  call.charge(32);
  return kind.dtype === "bool" ? data[0] !== 0 : data[0];
}

function fromBuffer([raw, type, shape, order]: readonly Value[], call: Call): PickledArray | undefined {
  call.charge(100);
  const kind = asDType(type);
  const fortran = textOf(order) === "F";
  if (!kind || !(raw instanceof Bytes) || !(shape instanceof Tuple)) return undefined;
  if (!fortran && textOf(order) !== "C") call.refuse(arrayReasons.order);
  const array = new PickledArray();
  array.fill(shape.items, kind, fortran, raw, call);
  return array;
}
