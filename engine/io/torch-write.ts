// Writes PyTorch's checkpoints (the zip form, since 1.6), as torch.save lays them out:
//
//   <prefix>/data.pkl        the object; each tensor in it names its storage by number
//   <prefix>/byteorder       "little"
//   <prefix>/data/<number>   the values of one tensor, row-major
//   <prefix>/version         "3\n"
//
// torch.load(weights_only=True) reads them, and so does every PyTorch from 1.6 on. Each tensor is contiguous, owns its storage
// and is on the CPU. Source: torch/serialization.py, torch/_utils.py (2.13).

import { basename, extname } from "node:path";
import { FileError } from "../errors.js";
import { type Outgoing, outgoingBytes } from "./encode.js";
import { elementCount, type HostDtype } from "./host.js";
import { Call, Global, Persistent, type PickleValue, pickle, Tuple } from "./pickle-write.js";
import { show } from "./tensor-file.js";
import { type Member, writeZip } from "./zip-write.js";

/** What a checkpoint may hold. A map of nothing but tensors becomes an OrderedDict (a state dict), any other a dict. */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Outgoing
  | readonly TorchValue[]
  | ReadonlyMap<string | number, TorchValue>;

/** The types that PyTorch has a storage class for. */
const torchStorages: Partial<Record<HostDtype, string>> = {
  f64: "DoubleStorage",
  f32: "FloatStorage",
  f16: "HalfStorage",
  bf16: "BFloat16Storage",
  i64: "LongStorage",
  i32: "IntStorage",
  i16: "ShortStorage",
  i8: "CharStorage",
  u8: "ByteStorage",
  bool: "BoolStorage",
};

/**
 * Writes `value` atomically; the values of a tensor are fetched when its turn comes, and one tensor is in memory at a time.
 *
 * @throws   FileError for a type without a torch storage, or if the system refuses; the old file then stays
 */
export async function writeTorch(path: string, value: TorchValue): Promise<void> {
  const storages: [name: string, tensor: Outgoing][] = [];
  const object = pickle(pickled(path, value, "", storages));
  const stem = basename(path, extname(path));
  const prefix = /^[\w.-]+$/.test(stem) && !/^\.+$/.test(stem) ? stem : "archive"; // torch.load takes any
  const text = (name: string, content: string): Member => ({
    name: `${prefix}/${name}`,
    bytes: () => new TextEncoder().encode(content),
  });
  await writeZip(path, [
    { name: `${prefix}/data.pkl`, bytes: () => object },
    text("byteorder", "little"),
    ...storages.map(([name, tensor], key) => ({
      name: `${prefix}/data/${key}`,
      bytes: () => outgoingBytes(path, name, tensor),
    })),
    text("version", "3\n"),
  ]);
}

/** The value as a pickle holds it; its tensors are appended to `storages`. `at` is the path to it, for messages. */
function pickled(path: string, value: TorchValue, at: string, storages: [string, Outgoing][]): PickleValue {
  if (typeof value !== "object" || value === null) return value;
  if (isTensor(value)) return tensor(path, value, at, storages);
  const below = (key: string | number) => (at ? `${at}.${key}` : String(key));
  if (!isMap(value)) return value.map((item, i) => pickled(path, item, below(i), storages));
  const items = new Map([...value].map(([key, item]) => [key, pickled(path, item, below(key), storages)] as const));
  const isStateDict = value.size > 0 && [...value.values()].every((item) => isTensor(item));
  return isStateDict ? orderedDict(items) : items;
}

/** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks) */
function tensor(path: string, outgoing: Outgoing, name: string, storages: [string, Outgoing][]): PickleValue {
  const { shape, dtype } = outgoing;
  const storage = torchStorages[dtype];
  if (!storage) {
    throw new FileError(
      `${path} was not written: tensor ${show(name)} is ${dtype}, and PyTorch's storages are ${Object.keys(torchStorages).join(", ")}.\nStore it in another type, or the file as .safetensors.`,
    );
  }
  const id = ["storage", new Global("torch", storage), String(storages.length), "cpu", elementCount(shape) ?? 0];
  storages.push([name, outgoing]);
  return new Call(new Global("torch._utils", "_rebuild_tensor_v2"), [
    new Persistent(new Tuple(id)),
    0,
    new Tuple([...shape]),
    new Tuple(strides(shape)),
    false,
    orderedDict(),
  ]);
}

/** Of a contiguous tensor, in elements; a dimension of 0 counts as 1, as PyTorch has it. */
const strides = (shape: readonly number[]): number[] =>
  shape.map((_, d) => shape.slice(d + 1).reduce((n, size) => n * Math.max(1, size), 1));

const orderedDict = (items?: ReadonlyMap<PickleValue, PickleValue>) =>
  new Call(new Global("collections", "OrderedDict"), [], items);

const isTensor = (value: TorchValue): value is Outgoing =>
  typeof value === "object" && value !== null && !Array.isArray(value) && "dtype" in value;

const isMap = (value: object): value is ReadonlyMap<string | number, TorchValue> => value instanceof Map;
