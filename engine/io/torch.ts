// Torch checkpoints: the zip archives of PyTorch 1.6 and later, and the legacy streams before it.
//
//   zip      <prefix>/data.pkl, <prefix>/data/<key> with the elements of each storage, <prefix>/byteorder
//   legacy   five pickles in a row: a magic number, 1001, {little_endian: True, ...}, the object, the keys of its storages;
//            then for each key, in that order: i64 elements, and the elements
//
// The object's pickle is read by the restricted machine; nothing in a file is ever run. Python-2 files have names as bytes.

import { dtypeBytes } from "./host.js";
import { flatten } from "./nested.js";
import { type PickleOptions, unpickle } from "./pickle.js";
import { Dict, type Value } from "./pickle-values.js";
import { type Refuse, refusal, torchReasons } from "./refusals.js";
import type { Source } from "./source.js";
import { LazyTensors, type TensorFile } from "./tensor-file.js";
import { keysOf, type Storage, storageOf, torchCalls } from "./torch-calls.js";
import { type Member, memberSource } from "./zip.js";

/** The first pickle of a legacy stream. */
export const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

/** Whether a zip archive is a torch checkpoint, or a program in the same wrapping. */
export const isTorch = (members: ReadonlyMap<string, Member>): boolean =>
  [...members.keys()].some((name) => /^[^/]*\/(?:data\.pkl|constants\.pkl|code\/)/.test(name));

export function openTorchZip(source: Source, members: ReadonlyMap<string, Member>): TensorFile {
  const refuse = refusal(source.name, "torch");
  const names = [...members.keys()];
  if (names.some((name) => /^[^/]*\/(?:constants\.pkl$|code\/)/.test(name))) refuse(torchReasons.script);
  const pickles = names.filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickles.length > 1) refuse(torchReasons.twoPickles);
  const prefix = (pickles[0] ?? refuse(torchReasons.noPickle)).slice(0, -"data.pkl".length);
  const open = (name: string) => {
    const member = members.get(prefix + name);
    return member && memberSource(source, member);
  };

  const order = open("byteorder");
  const letters = order ? Buffer.from(order.read(0, Math.min(order.size, 20))).toString("latin1") : "little";
  if (letters !== "little") refuse(torchReasons.byteOrder(letters));
  const storages: Storage[] = [];
  const { value } = unpickle(open("data.pkl")!, optionsOf(source, storages));
  for (const storage of storages) {
    const data = open(`data/${storage.key}`);
    const need = storage.total * dtypeBytes[storage.dtype];
    if (!data && need > 0) refuse(torchReasons.missing(storage.key));
    if (data && data.size < need) refuse(torchReasons.short(storage.key, need, data.size));
    storage.place = data && { source: data, position: 0 };
  }
  return fileOf("torch zip", source, value, refuse);
}

/** @param position after the first pickle, the magic number */
export function openTorchLegacy(source: Source, position: number): TensorFile {
  const refuse = refusal(source.name, "torch");
  const storages: Storage[] = [];
  const options = optionsOf(source, storages);
  const next = (): Value => {
    const { value, end } = unpickle(source, options, position);
    position = end;
    return value;
  };
  const protocol = next();
  if (protocol !== LEGACY_PROTOCOL) refuse(torchReasons.legacyProtocol(`protocol ${String(protocol)}`));
  const system = next();
  const little = system instanceof Dict ? system.get("little_endian") : undefined;
  if (little !== true) refuse(torchReasons.byteOrder(little === false ? "big" : "unknown"));
  const value = next();
  const keys = keysOf(next()) ?? refuse(torchReasons.legacyKeys);
  placeAll(source, position, keys, storages, refuse);
  return fileOf("torch legacy", source, value, refuse);
}

/** Walks the storages behind the pickles, and tells each where its elements lie. */
function placeAll(source: Source, start: number, keys: string[], storages: Storage[], refuse: Refuse): void {
  const views = new Map<string, Storage[]>();
  for (const storage of storages) {
    const same = views.get(storage.key);
    if (same) same.push(storage);
    else views.set(storage.key, [storage]);
  }
  let position = start;
  for (const key of keys) {
    const same = views.get(key) ?? refuse(torchReasons.legacyUnused(key));
    views.delete(key); // a key stands in the list once
    position = placeOne(source, position, same, refuse);
  }
  for (const { key, place } of storages) if (!place) refuse(torchReasons.missing(key));
}

/** The elements of one storage, which several descriptions may view; returns where they end. */
function placeOne(source: Source, position: number, views: readonly Storage[], refuse: Refuse): number {
  const { key, total, dtype } = views[0]!;
  const bytes = total * dtypeBytes[dtype];
  if (position + 8 > source.size) refuse(torchReasons.short(key, 8, source.size - position));
  const count = new DataView(source.read(position, 8).buffer).getBigInt64(0, true);
  for (const view of views) {
    const same = view.dtype === dtype && BigInt(view.total) === count;
    if (!same) refuse(torchReasons.legacyCount(key, String(count), view.total));
    view.place = { source, position: position + 8 };
  }
  const left = source.size - position - 8;
  if (bytes > left) refuse(torchReasons.short(key, bytes, left));
  return position + 8 + bytes;
}

function optionsOf(source: Source, storages: Storage[]): PickleOptions {
  return {
    callables: torchCalls(source.size),
    persistent: (id, call) => {
      const storage = storageOf(id, call);
      storages.push(storage);
      return storage;
    },
    way: "torch",
    fileSize: source.size,
  };
}

function fileOf(format: string, source: Source, value: Value, refuse: Refuse): TensorFile {
  const { tensors, metadata } = flatten(value, source.size, refuse);
  return new LazyTensors(source.name, format, tensors, metadata);
}
