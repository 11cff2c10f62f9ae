// Tensors of a torch checkpoint as its pickle describes them: a storage, an offset, sizes and strides. The weights
// themselves are read from the file when a tensor is asked for.

import { decode, dtypeBytes, elementCount, type HostDtype, type HostTensor } from "./host.js";
import { LazyTensor } from "./nested.js";
import type { Callable } from "./pickle.js";
import { plainCalls } from "./pickle-calls.js";
import { Bytes, type Call, Dict, Global, Opaque, Tuple, textOf, type Value } from "./pickle-values.js";
import { pickleReasons, type Refuse, torchReasons } from "./refusals.js";
import type { Source } from "./source.js";

// biome-ignore format: a table
const storageTypes: Record<string, HostDtype> = {
  "torch.FloatStorage": "f32", "torch.DoubleStorage": "f64", "torch.HalfStorage": "f16", "torch.BFloat16Storage": "bf16",
  "torch.LongStorage": "i64", "torch.IntStorage": "i32", "torch.ShortStorage": "i16", "torch.CharStorage": "i8",
  "torch.ByteStorage": "u8", "torch.BoolStorage": "bool", "torch.storage.UntypedStorage": "u8",
};

/** torch's own limit on the dimensions of a tensor. */
const DIMENSIONS = 64;
/** A tensor with strides of 0 may be this many times as large as its file, or this large. */
const EXPANSION = 10;
const EXPANSION_FLOOR = 2 ** 20;

/** Where a storage's elements lie. */
export interface Place {
  source: Source;
  position: number;
}

/** A run of elements in the file, or a view of one. */
export class Storage extends Opaque {
  readonly what = "a storage";
  /** Set by the reader, once it knows. */
  place: Place | undefined;

  constructor(
    readonly key: string,
    readonly dtype: HostDtype,
    /** Elements of the whole storage. */
    readonly total: number,
    /** First element, and number, of the view. */
    readonly first: number,
    readonly length: number,
  ) {
    super();
  }
}

/** ('storage', type, key, location, n) and, in legacy streams, a view: None or (key, offset, length). */
export function storageOf(id: Value, { refuse, charge }: Call): Storage {
  const [tag, type, rawKey, , total, view] = id instanceof Tuple ? id.items : [];
  if (textOf(tag) === "module") refuse(torchReasons.module);
  if (textOf(tag) !== "storage" || !(type instanceof Global)) return refuse(torchReasons.persistent);
  const dtype = Object.hasOwn(storageTypes, type.name) ? storageTypes[type.name]! : undefined;
  if (!dtype) return refuse(torchReasons.storageType(type.name));
  const key = textOf(rawKey) ?? "";
  if (!/^\d{1,20}$/.test(key)) refuse(torchReasons.key(key));
  if (!isCount(total)) return refuse(torchReasons.count(key, String(total)));
  charge(120);
  if (view === undefined || view === null) return new Storage(key, dtype, total, 0, total);
  const [, first, length] = view instanceof Tuple ? view.items : [];
  if (!isCount(first) || !isCount(length) || first + length > total) {
    return refuse(torchReasons.view(key, Number(first ?? Number.NaN), Number(length ?? Number.NaN), total));
  }
  return new Storage(key, dtype, total, first, length);
}

const isCount = (value: Value | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** The functions of a checkpoint. `fileSize` bounds what a tensor may expand to. */
export const torchCalls = (fileSize: number): ReadonlyMap<string, Callable> =>
  new Map<string, Callable>([
    ...plainCalls,
    ["torch._utils._rebuild_tensor_v2", (args, call) => rebuild(args, call, fileSize)],
    ["torch._utils._rebuild_parameter", parameter],
  ]);

/** (tensor, requires_grad, hooks) */
function parameter([tensor]: readonly Value[], call: Call): Value {
  return tensor instanceof StoredTensor ? tensor : call.refuse(pickleReasons.args("torch._utils._rebuild_parameter"));
}

/**
 * (storage, offset, size, stride, requires_grad, hooks[, metadata]); offset and strides in elements. The hooks are an empty
 * OrderedDict, in PyTorch 0.4 None.
 */
function rebuild([storage, offset, size, stride, , hooks]: readonly Value[], call: Call, fileSize: number): Value {
  const { refuse } = call;
  if (!(storage instanceof Storage) || !(hooks === null || hooks instanceof Dict)) {
    return refuse(pickleReasons.args("torch._utils._rebuild_tensor_v2"));
  }
  const shape = countsOf(size);
  const strides = countsOf(stride);
  if (!shape || !strides || !isCount(offset)) return refuse(torchReasons.sizes(storage.key));
  if (shape.length !== strides.length) refuse(torchReasons.dims(shape.length, strides.length));
  const count = elementCount(shape);
  const limit = Math.max(EXPANSION_FLOOR, EXPANSION * fileSize);
  if (count === undefined || count * dtypeBytes[storage.dtype] > limit) return refuse(torchReasons.huge(shape, limit));
  const last = shape.reduce((sum, n, d) => sum + (n - 1) * strides[d]!, offset);
  if (count > 0 && !(last < storage.length)) refuse(torchReasons.reach(storage.key, last, storage.length));
  call.charge(150 + 16 * shape.length);
  return new StoredTensor(storage, shape, { strides, first: storage.first + offset, span: last - offset + 1 }, refuse);
}

function countsOf(value: Value | undefined): number[] | undefined {
  if (!(value instanceof Tuple) || value.items.length > DIMENSIONS) return undefined;
  const counts = value.items.filter(isCount);
  return counts.length === value.items.length ? counts : undefined;
}

/** In elements of the storage: the first one, how far the tensor reaches from there, and the step of each dimension. */
interface Layout {
  strides: number[];
  first: number;
  span: number;
}

class StoredTensor extends LazyTensor {
  readonly what = "a tensor";

  constructor(
    readonly storage: Storage,
    readonly shape: number[],
    readonly layout: Layout,
    readonly refuse: Refuse,
  ) {
    super();
  }

  get dtype(): HostDtype {
    return this.storage.dtype;
  }

  /** A contiguous tensor is read as it lies; of any other, the stretch that it spans. */
  read(): HostTensor {
    const { dtype, shape } = this;
    const { strides, first, span } = this.layout;
    const count = elementCount(shape)!;
    if (count === 0) return { shape: [...shape], dtype, data: decode(new Uint8Array(0), dtype) };
    const { source, position } = this.storage.place ?? this.refuse(torchReasons.missing(this.storage.key));
    const width = dtypeBytes[dtype];
    const raw = source.read(position + first * width, span * width);
    const bytes = isContiguous(shape, strides) ? raw : gather(raw, shape, strides, width);
    return { shape: [...shape], dtype, data: decode(bytes, dtype) };
  }
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== step) return false;
    step *= shape[d]!;
  }
  return true;
}

/** Elements of `width` bytes in row-major order; `raw` begins with the first of them. */
function gather(
  raw: Uint8Array<ArrayBuffer>,
  shape: readonly number[],
  strides: readonly number[],
  width: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(elementCount(shape)! * width);
  const [from, to] = [wordsOf(raw, width), wordsOf(out, width)];
  const words = from.length === raw.length / width ? 1 : 2; // elements of 8 bytes are two words
  const index = shape.map(() => 0);
  for (let i = 0, at = 0; i < to.length; i += words) {
    for (let w = 0; w < words; w++) to[i + w] = from[at * words + w]!;
    for (let d = shape.length - 1; d >= 0; d--) {
      at += strides[d]!;
      if (++index[d]! < shape[d]!) break;
      at -= strides[d]! * shape[d]!;
      index[d] = 0;
    }
  }
  return out;
}

function wordsOf({ buffer }: Uint8Array<ArrayBuffer>, width: number): Uint8Array | Uint16Array | Uint32Array {
  if (width === 1) return new Uint8Array(buffer);
  return width === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

/** Python 2 writes texts as bytes: one more form of a key. */
export const keysOf = (value: Value): string[] | undefined => {
  const keys = Array.isArray(value) ? value.map((key) => (key instanceof Bytes ? key.text : textOf(key))) : [undefined];
  return keys.every((key) => key !== undefined) ? keys : undefined;
};
