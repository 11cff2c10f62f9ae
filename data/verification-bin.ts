// Face verification sets (lfw.bin, agedb_30.bin, ...): one pickled pair of 2P encoded images and P truths. Images 2k and
// 2k + 1 show the same person if truth k says so. Every pickler of the last twenty years has written some.

import { toFloat32 } from "../engine/io/host.js";
import { readNpyText } from "../engine/io/npy.js";
import { allowance, unpickle } from "../engine/io/pickle.js";
import { PickledArray } from "../engine/io/pickle-arrays.js";
import { plainCalls } from "../engine/io/pickle-calls.js";
import { Bytes, describe, itemsOf, textOf, type Value } from "../engine/io/pickle-values.js";
import { listReasons, type Refuse, refusal } from "../engine/io/refusals.js";
import { type Source, toSource } from "../engine/io/source.js";

/** What V8 takes for a view of a buffer. */
const VIEW_BYTES = 200;

export interface VerificationBin {
  /** 2P encoded images, JPEG or PNG; surplus ones are left out. */
  images: Uint8Array[];
  /** P truths. */
  issame: boolean[];
}

/** Reads a set. Images share the memory of the file's bytes; they are not decoded here. */
export function readVerificationBin(from: string | Source): VerificationBin {
  const source = toSource(from);
  const refuse = refusal(source.name, "pickle");
  const value = read(source);
  const pair = itemsOf(value);
  if (pair?.length !== 2) return refuse(listReasons.noPair(describe(value)));
  const issame = truthsOf(pair[1], refuse);
  const items = itemsOf(pair[0]) ?? refuse(listReasons.noImages(describe(pair[0])));
  if (issame.length === 0) refuse(listReasons.none);
  if (items.length < 2 * issame.length) refuse(listReasons.few(items.length, issame.length));
  const charge = allowance(source.size, refuse); // an image that a pickle repeats takes two bytes there
  const images = items.slice(0, 2 * issame.length).map((item, i) => {
    charge(VIEW_BYTES);
    return imageOf(item, i, refuse);
  });
  return { images, issame };
}

/**
 * Reads a list of names, pickled (`image_names.pkl`) or a .npy of texts; row i of an array of embeddings belongs to name i.
 */
export function readNames(from: string | Source): string[] {
  const source = toSource(from);
  if (source.size > 0 && source.read(0, 1)[0] === 0x93) return readNpyText(source).data;
  const refuse = refusal(source.name, "pickle");
  const value = read(source);
  const items = itemsOf(value) ?? refuse(listReasons.noNames(describe(value)));
  return items.map((item, i) => textOf(item) ?? refuse(listReasons.name(i, describe(item))));
}

const read = (source: Source): Value => unpickle(source, { callables: plainCalls, way: "pickle" }).value;

/** Bytes, or an array of bytes, (n,) or (n, 1). */
function imageOf(item: Value, i: number, refuse: Refuse): Uint8Array {
  const bytes = item instanceof Bytes ? item.view : item instanceof PickledArray ? item.bytes : undefined;
  return bytes?.length ? bytes : refuse(listReasons.image(i, describe(item)));
}

/** A list of truth values, of NumPy's or of 0 and 1, or an array of them. */
function truthsOf(value: Value | undefined, refuse: Refuse): boolean[] {
  const items = value instanceof PickledArray ? truthArray(value, refuse) : itemsOf(value);
  if (!items) return refuse(listReasons.truths(describe(value)));
  return items.map((item, i) => {
    const truth = typeof item === "boolean" ? item : item === 0 || item === 1 ? item === 1 : undefined;
    return truth ?? refuse(listReasons.truth(i, describe(item)));
  });
}

function truthArray(array: PickledArray, refuse: Refuse): boolean[] | undefined {
  const { shape, dtype } = array.info(refuse);
  if (shape.length !== 1 || dtype !== "bool") return undefined;
  return Array.from(toFloat32(array.tensor(refuse).data), (truth) => truth !== 0);
}
