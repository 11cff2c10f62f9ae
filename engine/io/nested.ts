// Flattens what a pickle holds: dicts, lists and tuples inside each other become names joined with ".", as in
// "state_dict.model.weight" or "optimizer_states.0.param_groups.0.betas". Tensors and arrays are tensors; everything else
// is kept as a printable scalar. A shared container is walked each time it is met, so the walk counts what it takes.

import { allowance } from "./pickle.js";
import { PickledArray } from "./pickle-arrays.js";
import { Bytes, Dict, Global, itemsOf, type Key, Opaque, PickledSet, Tuple, type Value } from "./pickle-values.js";
import { nestReasons, type Refuse } from "./refusals.js";
import { type Lazy, UNNAMED } from "./tensor-file.js";

export interface Flat {
  tensors: Map<string, Lazy>;
  metadata: Map<string, string>;
}

/** Real checkpoints nest 6 deep (optimizer_states.0.state.0.exp_avg), configurations perhaps 10. */
const DEPTH_LIMIT = 50;
const NAME_LIMIT = 1000;
/** Items of a list, and letters of a text, that metadata show. */
const SHOWN_ITEMS = 16;
const SHOWN_LETTERS = 1000;

/** An object that is a tensor once it is asked for. */
export abstract class LazyTensor extends Opaque implements Lazy {
  abstract readonly shape: number[];
  abstract readonly dtype: Lazy["dtype"];
  abstract read(): ReturnType<Lazy["read"]>;
}

/** All tensors and scalars below `root`; memory is bounded by the file's size. */
export function flatten(root: Value, fileSize: number, refuse: Refuse): Flat {
  const flat: Flat = { tensors: new Map(), metadata: new Map() };
  const charge = allowance(fileSize, refuse);

  const visit = (value: Value, name: string, depth: number): void => {
    if (depth > DEPTH_LIMIT) refuse(nestReasons.depth(DEPTH_LIMIT));
    if (name.length > NAME_LIMIT) refuse(nestReasons.length(name.length, NAME_LIMIT));
    charge(64 + 2 * name.length + (itemsOf(value)?.length ?? 0)); // a list is looked through at each visit
    const tensor = asTensor(value, refuse);
    if (tensor) {
      if (flat.tensors.has(name || UNNAMED)) refuse(nestReasons.twice(name));
      charge(300);
      flat.tensors.set(name || UNNAMED, tensor);
    } else if (value instanceof Dict) {
      for (const [key, item] of value.entries) visit(item, join(name, nameOf(key)), depth + 1);
    } else if (isContainer(value)) {
      itemsOf(value)!.forEach((item, i) => void visit(item, join(name, String(i)), depth + 1));
    } else {
      // A scalar of the same name in another container gives way to the first.
      const text = print(value);
      charge(2 * text.length);
      if (!flat.metadata.has(name)) flat.metadata.set(name, text);
    }
  };
  visit(root, "", 0);
  return flat;
}

const join = (name: string, key: string): string => (name ? `${name}.${key}` : key);

const nameOf = (key: Key): string => (typeof key === "string" ? key : print(key));

function asTensor(value: Value, refuse: Refuse): Lazy | undefined {
  if (value instanceof LazyTensor) return value;
  if (!(value instanceof PickledArray)) return undefined;
  return { ...value.info(refuse), read: () => value.tensor(refuse) };
}

/** Whether a list or tuple holds more than scalars, or nothing; one of scalars alone is printed in one piece. */
function isContainer(value: Value): boolean {
  const items = itemsOf(value);
  return items?.some((item) => itemsOf(item) || item instanceof Dict || item instanceof Opaque) ?? false;
}

/** A value on one line; long ones are cut. */
function print(value: Value): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return cut(value);
  if (value instanceof Bytes) {
    return value.length > 4 * SHOWN_LETTERS ? `${value.length} bytes` : cut(value.text ?? `${value.length} bytes`);
  }
  if (value instanceof Global) return value.name;
  if (value instanceof PickledSet) return `{${printItems(value.items)}}`;
  if (value instanceof Tuple) return `(${printItems(value.items)})`;
  if (Array.isArray(value)) return `[${printItems(value)}]`;
  if (value instanceof Dict) return "a dict";
  if (value instanceof Opaque) return value.what;
  return String(value);
}

function printItems(items: readonly Value[]): string {
  const shown = items.slice(0, SHOWN_ITEMS).map((item) => {
    if (itemsOf(item) || item instanceof PickledSet) return "...";
    return typeof item === "string" ? JSON.stringify(cut(item)) : print(item);
  });
  return shown.join(", ") + (items.length > SHOWN_ITEMS ? `, ... (${items.length})` : "");
}

const cut = (text: string): string => (text.length > SHOWN_LETTERS ? `${text.slice(0, SHOWN_LETTERS)}...` : text);
