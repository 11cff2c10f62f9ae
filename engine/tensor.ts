// A Tensor is a buffer with a shape.
//
// The shape is always PyTorch's. The layout says how it lies in memory: "plain" is row-major of the shape; "channels_last" is
// (B, C, ...spatial) stored as (B, ...spatial, C), which needs C % 4 == 0 and is what convolutions work on.
// A tensor is a handle: several may share one Storage, and the storage is freed with its last handle.

import { type Device, device } from "./device.js";
import { ShapeError, UifaceError } from "./errors.js";
import type { Block } from "./pool.js";
import { everyTime, recorder } from "./recorder.js";
import { type Frame, forget, keep, register } from "./scope.js";
import type { Node } from "./tape.js";

export type DType = "f32" | "u32" | "i32";
export type Layout = "plain" | "channels_last";
export type Shape = readonly number[];
export type Data = Float32Array | Uint32Array | Int32Array;

const arrayOf = { f32: Float32Array, u32: Uint32Array, i32: Int32Array } as const;

/** A block of the pool, counted by the tensors that share it. */
export class Storage {
  private refs = 1;
  constructor(
    readonly device: Device,
    readonly block: Block,
  ) {}

  retain(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    this.device.kept.changed(this.block.buffer);
    this.device.pool.release(this.block);
  }
}

export class Tensor {
  readonly size: number;
  /** The kernel or function that made it, for messages. */
  madeBy = "";
  /** The parameter's name in the state dict, for messages and files. */
  name = "";
  /** How backward goes on from here; see tape.ts. */
  node: Node | undefined;
  /** A leaf whose gradient is wanted: set by `requiresGrad()`. */
  wantsGrad = false;
  /** The leaves that lie one behind the other in this one, which has no gradient of its own: theirs are its parts. */
  parts: readonly Tensor[] | undefined;
  /** The accumulated gradient of a leaf, after backward(). */
  grad: Tensor | undefined;
  /** True while `grad` holds a stale value that the next backward overwrites (the state after zeroGrad). */
  gradIsStale = false;
  /** The scope that frees it, if one does; see scope.ts. */
  frame: Frame | undefined;
  private alive = true;
  private pins = 0;

  constructor(
    readonly storage: Storage,
    readonly shape: Shape,
    readonly dtype: DType = "f32",
    readonly layout: Layout = "plain",
    /** Bytes into the storage. */
    readonly offset = 0,
  ) {
    this.size = sizeOf(shape);
    register(this);
  }

  /** The size of dimension i; negative i counts from the end. */
  dim(i: number): number {
    const size = this.shape[i < 0 ? i + this.shape.length : i];
    if (size === undefined) throw new ShapeError(`${show(this)} has no dimension ${i}.`);
    return size;
  }

  get disposed(): boolean {
    return !this.alive;
  }

  /** Frees this handle. Safe to call twice. */
  dispose(): void {
    if (!this.alive) return;
    this.alive = false;
    forget(this);
    this.node?.release();
    this.storage.release();
  }

  /** A node's hold on the tensor: its memory stays, and the node's rule may use this handle after dispose(). */
  pin(): void {
    this.check();
    this.pins++;
    this.storage.retain();
  }

  unpin(): void {
    this.pins--;
    this.storage.release();
  }

  /** Throws if the tensor was freed. */
  check(): this {
    if (!this.alive && !this.pins) {
      throw new UifaceError(`A tensor was used after its scope closed.
  ${show(this)}${this.madeBy && `   made by ${this.madeBy}`}${this.name && `   ${this.name}`}
Return it from that scope's function, or wrap it in keep().`);
    }
    return this;
  }

  /** Another handle on the same memory and the same place on the tape, with another shape of equal size and order. */
  alias(shape: Shape = this.shape, layout: Layout = this.layout): Tensor {
    this.check();
    const copy = new Tensor(this.storage.retain(), shape, this.dtype, layout, this.offset);
    copy.madeBy = this.madeBy;
    return copy;
  }

  /** The same values without a way back: gradients stop here. */
  detach(): Tensor {
    return this.alias();
  }

  /** Marks a leaf whose gradient backward() accumulates in `.grad`. */
  requiresGrad(name = this.name): this {
    this.wantsGrad = true;
    this.name = name;
    return keep(this);
  }

  /** The values in PyTorch's order, whatever the layout; waits for the GPU. */
  async read(): Promise<Data> {
    this.check();
    const bytes = await this.storage.device.queue.read(this.storage.block.buffer, this.offset, 4 * this.size);
    const data = new arrayOf[this.dtype](bytes);
    const { channels, pixels } = planes(this.shape);
    return this.layout === "plain" ? data : transposed(data, pixels, channels);
  }

  /** The one value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: ${show(this)} has ${this.size} elements; read() gives them all.`);
    return (await this.read())[0]!;
  }

  /**
   * Moves this handle to another place, where its values must already lie; shape and layout stay. This is how the optimiser
   * gathers parameters in one buffer without the modules noticing (flat.ts).
   */
  rebase(storage: Storage, offset: number): void {
    this.check();
    if (this.pins)
      throw new UifaceError(`rebase: ${this.name} ${show(this)} is part of a forward pass that was not run back.`);
    const before = this.storage;
    Object.assign(this, { storage: storage.retain(), offset });
    before.device.moves++;
    before.release();
  }

  /** Overwrites the values; `data` is in PyTorch's order. */
  write(data: Data | Float64Array | number[]): this {
    upload(this.check(), data);
    return this;
  }
}

function upload(x: Tensor, data: Data | Float64Array | readonly number[]): void {
  if (data.length !== x.size) throw new ShapeError(`write: ${data.length} values do not fill ${show(x)}.`);
  const typed = data instanceof arrayOf[x.dtype] ? data : new arrayOf[x.dtype](data);
  const { channels, pixels } = planes(x.shape);
  const memory = x.layout === "plain" ? typed : transposed(typed, channels, pixels);
  if (memory.length) x.storage.device.queue.write(x.storage.block.buffer, x.offset, memory);
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);

/** "(8, 96, 32, 32)", with the type and layout where they are not f32 and plain. */
export function show(x: Tensor | Shape): string {
  if (!(x instanceof Tensor)) return `(${x.join(", ")})`;
  return `(${x.shape.join(", ")})${x.dtype === "f32" ? "" : ` ${x.dtype}`}${x.layout === "plain" ? "" : ` ${x.layout}`}`;
}

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

/** The layout a tensor of this shape has if it may be channels-last: convolutions and their kin make their outputs so. */
export const layoutFor = (shape: Shape): Layout =>
  shape.length >= 3 && shape[1]! % 4 === 0 ? "channels_last" : "plain";

/** A tensor whose contents are undefined until a kernel writes them. */
export function empty(shape: Shape, dtype: DType = "f32", layout: Layout = "plain"): Tensor {
  if (shape.some((n) => !Number.isInteger(n) || n < 0)) throw new ShapeError(`${show(shape)} is not a shape.`);
  if (layout === "channels_last" && (shape.length < 3 || shape[1]! % 4)) {
    throw new ShapeError(`channels_last needs (B, C, ...) with C a multiple of 4, not ${show(shape)}.`);
  }
  const dev = device();
  return new Tensor(new Storage(dev, dev.pool.acquire(Math.max(4 * sizeOf(shape), 4))), shape, dtype, layout);
}

export const emptyLike = (x: Tensor): Tensor => empty(x.shape, x.dtype, x.layout);

export function zeros(shape: Shape, dtype: DType = "f32", layout: Layout = "plain"): Tensor {
  const x = empty(shape, dtype, layout);
  x.storage.device.queue.clear(x.storage.block.buffer, x.offset, 4 * x.size);
  return x;
}

type Nested = readonly (number | Nested)[];

/** Numbers, or the function that makes them: a call that is recorded (replay.ts) asks it again each time. */
type Source = Data | Float64Array | Nested | number | (() => Data | readonly number[]);

/** From numbers: a flat array with a shape, or nested arrays that show it. */
export function tensor(data: Source, shape?: Shape, dtype: DType = "f32", layout: Layout = "plain"): Tensor {
  if (typeof data === "function") return asked(data, empty(shape ?? [], dtype, layout));
  const flat =
    typeof data === "number"
      ? [data]
      : Array.isArray(data)
        ? (data.flat(Number.POSITIVE_INFINITY) as number[])
        : (data as Data);
  return empty(shape ?? nestedShape(data), dtype, layout).write(flat);
}

function asked(values: () => Data | readonly number[], x: Tensor): Tensor {
  recorder?.uses(x.storage.block, false);
  everyTime(() => upload(x, values()));
  return x;
}

function nestedShape(data: unknown): number[] {
  const shape: number[] = [];
  for (
    let level: unknown = data;
    typeof level === "object" && level !== null && "length" in level;
    level = (level as unknown[])[0]
  ) {
    shape.push((level as unknown[]).length);
  }
  return shape;
}

/** Copies elements on the GPU, `count` of x's memory from `from` on to y's memory from `to` on; layouts do not matter to it. */
export function copyElements(x: Tensor, y: Tensor, { from = 0, to = 0, count = x.size } = {}): void {
  const [source, target] = [x.check().storage.block.buffer, y.check().storage.block.buffer];
  x.storage.device.queue.copy(source, x.offset + 4 * from, target, y.offset + 4 * to, 4 * count);
}

/** Matrices (rows, cols), one after the other, to (cols, rows). */
function transposed<T extends Data>(data: T, rows: number, cols: number): T {
  const out = data.slice() as T;
  for (let base = 0; base < data.length; base += rows * cols) {
    for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[base + c * rows + r] = data[base + r * cols + c]!;
  }
  return out;
}

/** (B, C, ...S) as three numbers: B, C and the number of pixels. */
export function planes(shape: Shape): { batch: number; channels: number; pixels: number } {
  return { batch: shape[0] ?? 1, channels: shape[1] ?? 1, pixels: sizeOf(shape.slice(2)) };
}
