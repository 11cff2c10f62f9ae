// Flat storage: the parameters of a net gathered in a few large buffers ("buckets"), so that an update is one kernel a
// bucket instead of one a parameter, and the norm of all gradients (health.ts) is two kernels.
//
// Invariants   - the parameters stay the same Tensor objects; only where they lie changes
//              - each begins at a multiple of 256 bytes (the largest offset alignment WebGPU allows an adapter to ask for), but
//                for those that lay together before (nn.ts#Joint): they lie as they did, and the first begins there
//              - the gaps behind them are zero in the weights and, whenever a kernel reads a whole bucket, in the gradients
//              - `.grad` of a parameter is a view of its bucket's gradients and nothing else

import { type Device, device } from "./device.js";
import { AdapterError, ShapeError, TrainingStopped, UifaceError } from "./errors.js";
import { Health } from "./health.js";
import { recorder } from "./recorder.js";
import { keep } from "./scope.js";
import type { Launch } from "./shader.js";
import { copyElements, show, Tensor, zeros } from "./tensor.js";

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
  /** Where the next may begin. */
  end: number;
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
  readonly health = new Health();
  /** Updates the optimiser has made. */
  updates = 0;
  /** True while averages stand in the weights' place (Ema.swap). */
  swapped = false;
  private readonly device: Device = device();
  private measured = false;

  /** Use `flatten`. */
  constructor(readonly parameters: readonly Tensor[]) {
    const odd = parameters.find((p) => p.dtype !== "f32" || p.node);
    if (odd) throw new ShapeError(`flatten: ${odd.name} ${show(odd)} is no f32 leaf.`);
    const room = Math.min(BUCKET_BYTES, this.device.limits.maxStorageBufferBindingSize);
    for (const group of packed(unitsOf(parameters), room)) this.buckets.push(this.gather(group));
    for (const p of parameters) homes.set(p, this);
    this.device.pool.trim(); // where the parameters lay before, as much memory again, would stay idle for ever
  }

  /** Marks every gradient as absent: the next backward overwrites it, an update without a backward takes it as zero. */
  zeroGrad(): void {
    recorder?.refuse("which gradients are stale", "Call zeroGrad() outside.");
    for (const p of this.parameters) p.gradIsStale = true;
    this.measured = false;
  }

  /** Measures the gradients for the next update; see Health.measure. Returns their norm before clipping, (1). */
  measure(maxNorm = 0): Tensor {
    recorder?.refuse("the number of an update", "Clip and step() outside.");
    this.clearGaps();
    const grads = this.buckets.map((bucket) => bucket.grads);
    this.health.measure(grads, this.updates + 1, maxNorm);
    this.measured = true;
    return this.health.norm;
  }

  /** Runs `update` for every bucket; the gradients are measured first, unless they were since the last update. */
  update(update: (bucket: Bucket, index: number) => void): void {
    this.refuseSwapped("an update");
    recorder?.refuse("the rate and number of an update", "Call step() outside.");
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
    const stopped = await this.health.stoppedAt();
    if (!stopped) return;
    this.updates = stopped - 1;
    throw new TrainingStopped(`The gradient of update ${stopped.toLocaleString("en")} is not finite. The weights are those before it.
Run with a lower --lr, or with DEBUG=nan to see the first kernel that makes such a value.`);
  }

  /** Throws while averages stand in the weights' place. */
  refuseSwapped(what: string): void {
    if (this.swapped)
      throw new UifaceError(`The averages stand in the weights' place: swap() them back before ${what}.`);
  }

  /** A buffer for each bucket, zero: moments, averages. */
  like(): Tensor[] {
    return this.buckets.map(({ weights }) => keep(zeros(weights.shape)));
  }

  /** The parts of such buffers by parameter name, with each parameter's shape and layout. */
  views(buffers: readonly Tensor[], prefix = ""): Map<string, Tensor> {
    const views = new Map<string, Tensor>();
    const homes = this.buckets.flatMap(({ places }, b) =>
      places.map(({ parameter, offset }) => [parameter, { buffer: buffers[b]!, offset }] as const),
    );
    const at = new Map(homes);
    for (const parameter of this.parameters) {
      const name = prefix + parameter.name;
      if (!parameter.name || views.has(name)) {
        throw new UifaceError(
          `Two parameters are called "${parameter.name}" (the second is ${show(parameter)}): a state needs names that differ.`,
        );
      }
      const { buffer, offset } = at.get(parameter)!;
      views.set(name, viewOf(buffer, parameter, offset));
    }
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
    this.health.dispose();
  }

  /** How a kernel covers a bucket: VECS vec4's a thread (docs/kernels.md). */
  launch({ weights }: Bucket): Launch {
    const VECS = this.device.tuning[this.device.family].optimiser.vecs;
    return { workgroups: Math.ceil(weights.size / (4 * VECS * 64)), constants: { VECS } };
  }

  private gather(units: readonly Unit[]): Bucket {
    const bytes = units.reduce((sum, unit) => sum + padded(unit), 0);
    const most = this.device.limits.maxStorageBufferBindingSize;
    if (bytes > most) {
      const [p] = units[0] as [Tensor];
      throw new AdapterError(
        `The parameter ${p.name} ${show(p)} takes ${bytes.toLocaleString("en")} bytes; this adapter binds ${most.toLocaleString("en")} at most.`,
      );
    }
    const weights = keep(zeros([bytes / 4]));
    const grads = keep(zeros([bytes / 4]));
    const places: Place[] = [];
    let start = 0;
    for (const unit of units) {
      const base = start - unit[0]!.offset;
      start += padded(unit);
      const offsets = unit.map((p) => base + p.offset);
      unit.forEach((parameter, i) => {
        const [offset, end] = [offsets[i]!, offsets[i + 1] ?? start];
        places.push({ parameter, grad: this.move(parameter, weights, grads, offset), offset, end });
      });
    }
    return { weights, grads, places };
  }

  /** Gives a parameter its place, and the gradient that it has, if any. */
  private move(parameter: Tensor, weights: Tensor, grads: Tensor, offset: number): Tensor {
    const grad = viewOf(grads, parameter, offset);
    copyElements(parameter, weights, { to: offset / 4 });
    parameter.rebase(weights.storage, offset);
    const before = parameter.grad;
    if (before && !parameter.gradIsStale) copyElements(before, grad);
    parameter.gradIsStale ||= !before;
    before?.dispose();
    parameter.grad = grad;
    return grad;
  }

  /** Zeroes gradients that no backward wrote, and what an accumulating kernel may have left behind the others. */
  private clearGaps(): void {
    for (const { places, grads } of this.buckets) {
      const { buffer } = grads.storage.block;
      let from = 0; // of a run of neighbours that are cleared in one go
      let to = 0;
      for (const { parameter, grad, offset, end: next } of places) {
        if (parameter.grad !== grad) {
          throw new UifaceError(
            `The gradient of ${parameter.name} ${show(parameter)} was replaced. Use zeroGrad() to start over.`,
          );
        }
        const bytes = 4 * parameter.size;
        const [start, end] = parameter.gradIsStale
          ? [offset, next]
          : [offset + bytes, Math.min(offset + overrun(bytes), next)];
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

/** Parameters that move as one, in the order of memory. */
type Unit = readonly Tensor[];

/** Parameters in the order given; those that share memory follow the first of theirs. */
function unitsOf(parameters: readonly Tensor[]): Unit[] {
  const units = new Map<Tensor["storage"], Tensor[]>();
  for (const p of parameters) {
    const unit = units.get(p.storage);
    if (unit) unit.push(p);
    else units.set(p.storage, [p]);
  }
  return [...units.values()].map((unit) => unit.sort((a, b) => a.offset - b.offset));
}

const padded = (unit: Unit): number => {
  const [first, last] = [unit[0]!, unit.at(-1)!];
  return Math.max(1, Math.ceil((last.offset + 4 * last.size - first.offset) / ALIGNMENT)) * ALIGNMENT;
};
const overrun = (bytes: number): number => Math.ceil(bytes / OVERRUN) * OVERRUN;

const viewOf = (buffer: Tensor, like: Tensor, offset: number): Tensor =>
  keep(new Tensor(buffer.storage.retain(), like.shape, "f32", like.layout, offset));

/** In the given order, as many to a bucket as fit; one that is too large for any has a bucket of its own. */
function packed(units: readonly Unit[], limit: number): Unit[][] {
  const groups: Unit[][] = [];
  let room = 0;
  for (const unit of units) {
    if (padded(unit) > room) {
      groups.push([]);
      room = limit;
    }
    groups.at(-1)!.push(unit);
    room -= padded(unit);
  }
  return groups;
}
