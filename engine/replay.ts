// A call that is made often, recorded once: later calls give its commands again and run none of its JavaScript.
//
//   const step = replay((x: Tensor, t: number[], rng: Rng) => { ...; backward(loss); return loss; });
//   for (...) { const loss = step.run(x, t, rng); ... }            step.dispose() at the end
//
// Contract     - the same bits as without. Arguments are copied to fixed places first, results from fixed places after: both are
//                the caller's own. All else that the call uses, weights say, must be the same tensors each time
//              - arrays and random streams may differ from call to call, and are used through tensor(() => values) and rng.key()
//                alone; other values are constants: a call with another one is recorded anew, as is one with another shape
//              - where the call would do other things than it did (a weight moved, a gradient is stale, dev.inspect is set), it is
//                made, not replayed. What it may not do at all is refused when it is recorded (recorder.ts)
//              - memory that the call has used stays its own until dispose(): as much as the call needs at once

import { type Device, device } from "./device.js";
import { UifaceError } from "./errors.js";
import type { Block } from "./pool.js";
import { Rng } from "./random.js";
import { Recorder, recorder } from "./recorder.js";
import { keep, scope } from "./scope.js";
import { gradPaused, weightsRest } from "./tape.js";
import { copyElements, emptyLike, show, Tensor } from "./tensor.js";

type List = ArrayLike<number | boolean>;
type Constant = number | string | boolean | null | undefined;
export type Argument = Tensor | Rng | List | Constant;
export type Results = Tensor | Readonly<Record<string, Tensor | undefined>>;

/** Calls that leave no recording: in them gradients get their memory, and weights that rest are transformed (kept.ts). */
const WARM = 2;

/** A call of `work` that is recorded. Inside another such call it is a part of that one. */
export const replay = <A extends readonly Argument[], R extends Results>(work: (...args: A) => R): Replay<A, R> =>
  new Replay(work);

export class Replay<A extends readonly Argument[], R extends Results> {
  /** How many calls were replayed. */
  replayed = 0;
  private made = 0;
  private key = "";
  private args: A | undefined;
  private recording: Recording<R> | undefined;

  /** Use `replay`. */
  constructor(private readonly work: (...args: A) => R) {}

  /** `work(...given)`. The results have no way back: backward belongs inside. */
  run(...given: A): R {
    if (recorder) return this.work(...given);
    const dev = device();
    const args = this.placed(dev, given);
    const results = scope(() => mapped(this.results(dev, args), copyOf));
    given.forEach((value, i) => {
      if (value instanceof Rng) value.become(args[i] as Rng);
    });
    return results;
  }

  /** Frees the memory of the recording. */
  dispose(): void {
    this.recording?.dispose();
    this.recording = undefined;
    for (const place of this.args ?? []) if (place instanceof Tensor) place.dispose();
    this.args = undefined;
  }

  /** Where the call finds its arguments, with the values given. */
  private placed(dev: Device, given: A): A {
    const modes = [gradPaused(), weightsRest(), dev.family, dev.foldAfter];
    const key = [...given.map(kindOf), ...modes].join("; ");
    if (key !== this.key || this.recording?.dev !== dev) this.dispose();
    this.key = key;
    this.args ??= given.map(placeFor) as readonly Argument[] as A;
    for (const [i, place] of this.args.entries()) put(given[i], place);
    return this.args;
  }

  private results(dev: Device, args: A): R {
    if (dev.inspect) return this.work(...args);
    if (this.recording?.lost) this.made = 0; // a transformed weight, say: it will be kept again
    if (this.made < WARM || !this.recording?.holds) return this.record(dev, args);
    this.replayed++;
    return this.recording.play();
  }

  private record(dev: Device, args: A): R {
    this.recording?.dispose();
    this.recording = undefined;
    const streams = args.filter((value) => value instanceof Rng);
    const call = new Recorder(dev.pool, streams);
    const results = call.watch(() => scope(() => mapped(this.work(...args), (x) => x.alias())));
    if (++this.made > WARM) this.recording = new Recording(dev, call, results);
    return results;
  }
}

/** A call's commands, and the memory they need. */
class Recording<R extends Results> {
  /** Memory of others, weights say. */
  private readonly outside: readonly Block[];
  private readonly moves: number;
  /** Whether each leaf's gradient is stale after the call. */
  private readonly after: readonly boolean[];

  constructor(
    readonly dev: Device,
    private readonly call: Recorder,
    private readonly results: R,
  ) {
    for (const x of tensorsOf(results)) keep(x);
    this.outside = [...call.blocks].filter((block) => block.owned);
    for (const block of call.blocks) dev.pool.hold(block);
    this.moves = dev.moves;
    this.after = [...call.leaves.keys()].map((leaf) => leaf.gradIsStale);
  }

  /** Whether memory that the call used was given back. */
  get lost(): boolean {
    return this.outside.some((block) => !block.owned);
  }

  /** Whether the call would do the same again. */
  get holds(): boolean {
    if (this.lost || this.moves !== this.dev.moves) return false;
    for (const [leaf, { grad, isStale }] of this.call.leaves) {
      if (leaf.grad !== grad || leaf.gradIsStale !== isStale) return false;
    }
    return true;
  }

  play(): R {
    const { commands, leaves, written } = this.call;
    for (const command of commands) command();
    for (const [i, leaf] of [...leaves.keys()].entries()) leaf.gradIsStale = this.after[i]!;
    for (const block of written) if (block.owned) this.dev.kept.changed(block.buffer);
    return this.results;
  }

  dispose(): void {
    for (const x of tensorsOf(this.results)) x.dispose();
    for (const block of this.call.blocks) this.dev.pool.letGo(block);
  }
}

/** What calls must agree in to be the same. */
function kindOf(value: Argument): string {
  if (value instanceof Tensor) return show(value);
  if (value instanceof Rng) return "stream";
  return isList(value) ? `list of ${value.length}` : `${typeof value} ${value}`;
}

function placeFor(value: Argument): Argument {
  if (value instanceof Tensor) return keep(emptyLike(value));
  if (value instanceof Rng) return value.copy();
  return isList(value) ? guarded(Array.from(value)) : value;
}

function put(value: Argument, place: Argument): void {
  if (value instanceof Tensor) {
    if (value.node || value.wantsGrad)
      throw new UifaceError(
        `replay: the argument ${show(value)} wants a gradient, but none comes out of a recorded call.`,
      );
    copyElements(value, place as Tensor);
  } else if (value instanceof Rng) (place as Rng).become(value);
  else if (isList(value)) Object.assign(place as object, Array.from(value));
}

const isList = (value: Argument): value is List => typeof value === "object" && value !== null && "length" in value;

/** An array that tells when a recorded call takes values out of it that the next call may not find there. */
const guarded = (list: (number | boolean)[]): List =>
  new Proxy(list, {
    get(own, name) {
      if (name !== "length") recorder?.refuse("a value of an array", "Use it inside tensor(() => ...).");
      return Reflect.get(own, name) as unknown;
    },
  });

function copyOf(x: Tensor): Tensor {
  const y = emptyLike(x);
  y.madeBy = x.madeBy;
  copyElements(x, y);
  return y;
}

const tensorsOf = (results: Results): Tensor[] =>
  (results instanceof Tensor ? [results] : Object.values(results)).filter((x) => x !== undefined);

function mapped<R extends Results>(results: R, make: (x: Tensor) => Tensor): R {
  if (results instanceof Tensor) return make(results) as R;
  if (results instanceof Promise || !tensorsOf(results).every((x) => x instanceof Tensor)) {
    throw new UifaceError("replay: the call must return a tensor or a record of tensors, and wait for nothing.");
  }
  return Object.fromEntries(Object.entries(results).map(([name, x]) => [name, x && make(x)])) as R;
}
