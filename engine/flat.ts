// Flat storage: the parameters of a net gathered in a few large buffers ("buckets"), so that an update is one kernel a
// bucket instead of one a parameter, and the norm of all gradients is two kernels.
//
// Invariants   - the parameters stay the same Tensor objects; only where they lie changes
//              - each begins at a multiple of 256 bytes (the largest offset alignment WebGPU allows an adapter to ask for)
//              - the gaps behind them are zero in the weights and, whenever a kernel reads a whole bucket, in the gradients
//              - `.grad` of a parameter is a view of its bucket's gradients and nothing else
//              - after the first update whose gradients are not finite, no kernel writes weights, moments or averages any
//                more (`health`, decided on the GPU): the state before that update is there whenever the host looks

import { type Device, device } from "./device.js";
import { AdapterError, ShapeError, TrainingStopped, UifaceError } from "./errors.js";
import { keep } from "./scope.js";
import { kernel, type Launch } from "./shader.js";
import { show, Tensor, zeros } from "./tensor.js";

/** WebGPU's default maxStorageBufferBindingSize: every adapter binds this much. */
const BUCKET_BYTES = 128 * 2 ** 20;
const ALIGNMENT = 256;
/** An elementwise kernel may write up to the next multiple of 64 bytes behind a tensor (add.wgsl, "One thread"). */
const OVERRUN = 64;

/** One parameter's place in a bucket. */
interface Place {
  parameter: Tensor;
  /** View of the bucket's gradients. */
  grad: Tensor;
  /** In bytes. */
  offset: number;
}

export interface Bucket {
  /** All weights, (n); n is a multiple of 64. */
  weights: Tensor;
  /** All gradients, (n). */
  grads: Tensor;
  places: Place[];
}

/** Where a parameter was gathered. */
const homes = new WeakMap<Tensor, Flat>();

/**
 * Gathers parameters in buckets. The same parameters given again give the same Flat: an optimiser and an average share it.
 *
 * @param parameters   f32 leaves; a tensor given twice (tied weights) counts once
 * @throws             UifaceError if only some of them were gathered before
 */
export function flatten(parameters: Iterable<Tensor>): Flat {
  const list = [...new Set(parameters)];
  const homeOf = list.map((p) => homes.get(p));
  const known = homeOf.find(Boolean);
  if (!known) return new Flat(list);
  const stranger = list.find((_, i) => homeOf[i] !== known);
  if (!stranger && known.parameters.length === list.length) return known;
  throw new UifaceError(`flatten: ${list.length} parameters were given, of which some lie together with others already (${known.parameters.length} there).
  ${stranger ? `apart   ${stranger.name} ${show(stranger)}` : "all given ones are there, with more"}
A parameter belongs to one optimiser: give every optimiser and average of a net the same list.`);
}

export class Flat {
  readonly buckets: Bucket[] = [];
  readonly parameters: readonly Tensor[];
  /** The struct of shaders/common/health.wgsl: norm, scale, stopped. */
  readonly health: Tensor;
  /** Norm of all gradients before clipping, (1); of the last `measure`. */
  readonly norm: Tensor;
  /** Updates the optimiser has made. */
  updates = 0;
  /** True while averages stand in the weights' place (Ema.swap). */
  swapped = false;
  private readonly device: Device;
  private partial: Tensor | undefined;
  private measured = false;

  /** Use `flatten`. */
  constructor(parameters: readonly Tensor[]) {
    this.device = device();
    this.parameters = parameters;
    const odd = parameters.find((p) => p.dtype !== "f32" || p.node);
    if (odd) throw new ShapeError(`flatten: ${odd.name} ${show(odd)} is no f32 leaf.`);
    this.health = keep(zeros([4], "u32"));
    this.norm = keep(new Tensor(this.health.storage.retain(), [1]));
    for (const group of packed(parameters, this.limit())) this.buckets.push(this.gather(group));
    for (const p of parameters) homes.set(p, this);
  }

  /** Marks every gradient as absent: the next backward overwrites it, an update without a backward takes it as zero. */
  zeroGrad(): void {
    for (const p of this.parameters) p.gradIsStale = true;
    this.measured = false;
  }

  /**
   * Computes the norm of all gradients on the GPU, and from it the scale and the stop flag of the next update.
   *
   * @param maxNorm   gradients are scaled down to it (PyTorch's clip_grad_norm_); 0: never
   * @returns         the norm before clipping, (1), overwritten by the next measure
   */
  measure(maxNorm = 0): Tensor {
    this.clearGaps();
    const software = this.device.family === "broadcast";
    const WORKGROUP = software ? 16 : 64;
    const threads = software ? 1024 : 32_768; // docs/kernels.md; a GPU needs tens of thousands to fill its memory bus
    this.partial ??= keep(zeros([Math.max(1, this.buckets.length) * 32_768]));
    this.buckets.forEach(({ grads }, b) => {
      const turns = Math.ceil(grads.size / 16 / threads);
      const walk = software ? { stride: turns, step: 1 } : { stride: 1, step: threads };
      const params = { n: grads.size, threads, turns, ...walk, first: b * threads };
      const launch = { workgroups: threads / WORKGROUP, constants: { WORKGROUP } };
      kernel("grad_norm").run({ dw: grads, partial: this.partial! }, params, launch);
    });
    const total = { count: this.buckets.length * threads, max_norm: maxNorm, update: this.updates + 1 };
    const launch = { workgroups: 1, constants: { WORKGROUP: software ? 1 : 256 } };
    kernel("grad_norm_total").run({ partial: this.partial, health: this.health }, total, launch);
    this.measured = true;
    return this.norm;
  }

  /** Runs `update` for every bucket; the gradients are measured first, unless they were since the last update. */
  update(update: (bucket: Bucket, index: number) => void): void {
    if (this.swapped)
      throw new UifaceError("The averages stand in the weights' place: swap() them back before an update.");
    if (!this.measured) this.measure();
    this.measured = false;
    this.updates++;
    this.buckets.forEach(update);
  }

  /**
   * Looks (with a read-back) whether an update was stopped. If so `updates` goes back to the number of those that happened.
   *
   * @throws TrainingStopped
   */
  async check(): Promise<void> {
    const [, , stopped] = await this.health.read();
    if (!stopped) return;
    this.updates = stopped - 1;
    throw new TrainingStopped(`The gradient of update ${stopped.toLocaleString("en")} is not finite. The weights are those before it.
Run with a lower --lr, or with DEBUG=nan to see the first kernel that makes such a value.`);
  }

  /** A buffer for each bucket, zero: moments, averages. */
  like(): Tensor[] {
    return this.buckets.map(({ weights }) => keep(zeros(weights.shape)));
  }

  /** The parts of such buffers by parameter name, with each parameter's shape and layout. */
  views(buffers: readonly Tensor[], prefix = ""): Map<string, Tensor> {
    const views = new Map<string, Tensor>();
    this.buckets.forEach(({ places }, b) => {
      for (const { parameter, offset } of places) {
        const name = prefix + parameter.name;
        if (!parameter.name || views.has(name)) {
          throw new UifaceError(
            `Two parameters are called "${parameter.name}" (the second is ${show(parameter)}): a state needs names that differ.`,
          );
        }
        views.set(name, viewOf(buffers[b]!, parameter, offset));
      }
    });
    return views;
  }

  /** Frees the gradients and forgets the parameters, which stay where they are. */
  dispose(): void {
    for (const { weights, grads, places } of this.buckets) {
      for (const { parameter, grad } of places) {
        parameter.grad = undefined;
        grad.dispose();
        homes.delete(parameter);
      }
      weights.dispose();
      grads.dispose();
    }
    for (const x of [this.health, this.norm, this.partial]) x?.dispose();
  }

  /** How a kernel covers a bucket: VECS vec4's a thread (docs/kernels.md). */
  launch({ weights }: Bucket): Launch {
    const VECS = this.device.family === "broadcast" && this.device.subgroupSize === 8 ? 2 : 1;
    return { workgroups: Math.ceil(weights.size / (4 * VECS * 64)), constants: { VECS } };
  }

  private limit(): number {
    return Math.min(BUCKET_BYTES, this.device.limits.maxStorageBufferBindingSize);
  }

  private gather(parameters: readonly Tensor[]): Bucket {
    const bytes = parameters.reduce((sum, p) => sum + padded(p), 0);
    const most = this.device.limits.maxStorageBufferBindingSize;
    if (bytes > most) {
      const p = parameters[0]!;
      throw new AdapterError(
        `The parameter ${p.name} ${show(p)} takes ${bytes.toLocaleString("en")} bytes; this adapter binds ${most.toLocaleString("en")} at most.`,
      );
    }
    const { queue } = this.device;
    const weights = keep(zeros([bytes / 4]));
    const grads = keep(zeros([bytes / 4]));
    const places: Place[] = [];
    let offset = 0;
    for (const parameter of parameters) {
      const grad = viewOf(grads, parameter, offset);
      queue.copy(
        parameter.storage.block.buffer,
        parameter.offset,
        weights.storage.block.buffer,
        offset,
        4 * parameter.size,
      );
      parameter.rebase(weights.storage, offset);
      const before = parameter.grad;
      if (before && !parameter.gradIsStale) {
        queue.copy(before.storage.block.buffer, before.offset, grads.storage.block.buffer, offset, 4 * before.size);
      }
      parameter.gradIsStale ||= !before;
      before?.dispose();
      parameter.grad = grad;
      places.push({ parameter, grad, offset });
      offset += padded(parameter);
    }
    return { weights, grads, places };
  }

  /** Zeroes gradients that no backward wrote, and what an accumulating kernel may have left behind the others. */
  private clearGaps(): void {
    for (const { places, grads } of this.buckets) {
      const { buffer } = grads.storage.block;
      let from = 0; // of a run of neighbours that are cleared in one go
      let to = 0;
      for (const { parameter, grad, offset } of places) {
        if (parameter.grad !== grad) {
          throw new UifaceError(
            `The gradient of ${parameter.name} ${show(parameter)} was replaced. Use zeroGrad() to start over.`,
          );
        }
        const bytes = 4 * parameter.size;
        const [start, end] = parameter.gradIsStale
          ? [offset, offset + padded(parameter)]
          : [offset + bytes, offset + overrun(bytes)];
        if (start === end) continue;
        if (start !== to) {
          this.device.queue.clear(buffer, from, to - from);
          from = start;
        }
        to = end;
      }
      this.device.queue.clear(buffer, from, to - from);
    }
  }
}

const padded = (p: Tensor): number => Math.max(1, Math.ceil((4 * p.size) / ALIGNMENT)) * ALIGNMENT;
const overrun = (bytes: number): number => Math.ceil(bytes / OVERRUN) * OVERRUN;

const viewOf = (buffer: Tensor, like: Tensor, offset: number): Tensor =>
  keep(new Tensor(buffer.storage.retain(), like.shape, "f32", like.layout, offset));

/** In the given order, as many to a bucket as fit; one that is too large for any has a bucket of its own. */
function packed(parameters: readonly Tensor[], limit: number): Tensor[][] {
  const groups: Tensor[][] = [];
  let room = 0;
  for (const p of parameters) {
    if (padded(p) > room) {
      groups.push([]);
      room = limit;
    }
    groups.at(-1)!.push(p);
    room -= padded(p);
  }
  return groups;
}
