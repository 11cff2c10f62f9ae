// record remembers how to go back; backward goes back.
//
// A Node stands for one call of an op: its inputs' places, the tensors its rule needs, and the rule. Nodes are counted like
// tensors: a node lives while the tensor it made, or a later node, can still reach it. So a forward pass whose result is
// dropped frees everything it saved, and backward frees what a rule saved as soon as the rule has run.
//
// Invariants   - a rule returns one gradient (or null) an input, in the inputs' order and shapes
//              - gradients are accumulated here and nowhere else; the order is fixed (newest node first): same bits each time
//              - `saved` tensors are pinned: the rule may use them although the scope that made them has closed
//              - a node may stand for a part of the tape that is made only when backward comes to it (recompute.ts): that part
//                leads to the same places, so gradients arrive everywhere in the order they would have without it

import { ShapeError, UifaceError } from "./errors.js";
import { toLayout } from "./layout.js";
import { runElements, viewOf } from "./parts.js";
import { recorder } from "./recorder.js";
import { keep, scope } from "./scope.js";
import { kernel } from "./shader.js";
import { copyElements, emptyLike, sameShape, show, type Tensor, tensor } from "./tensor.js";

/** dy to the gradients of the inputs; `needs[i]` tells whether input i wants one. */
export type Rule = (dy: Tensor, needs: readonly boolean[], take: Take, place: Place) => (Tensor | null)[];

/** Hands over what has arrived at input i from its other uses: the rule adds it to its own gradient in the same kernel. */
export type Take = (i: number) => Tensor | undefined;

/** Where the gradient of input i will lie, if that is a leaf without one yet: a rule that fills it and returns it saves a copy. */
export type Place = (i: number) => Tensor | undefined;

/** Where a gradient goes: the node that made an input, or a leaf. */
type Target = Node | Tensor | undefined;

let clock = 0;
let paused = 0;
let resting = 0;

export class Node {
  readonly order = ++clock;
  private refs = 1;

  constructor(
    readonly op: string,
    readonly targets: readonly Target[],
    private saved: readonly Tensor[],
    private rule: Rule | undefined,
    /** Makes y again and records how: for a node that stands for a part of the tape. */
    private again?: (() => Tensor) | undefined,
  ) {
    for (const target of targets) if (target instanceof Node) target.retain();
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    if (--this.refs > 0) return;
    this.free();
    for (const target of this.targets) if (target instanceof Node) target.release();
  }

  /** Runs the rule once, then frees what it needed. */
  run(dy: Tensor, take: Take, place: Place): (Tensor | null)[] {
    if (!this.rule)
      throw new UifaceError(
        `backward went through ${this.op} a second time: its saved tensors are freed after the first.`,
      );
    const grads = this.rule(dy, this.targets.map(Boolean), take, place);
    this.free();
    return grads;
  }

  /** The y of the part of the tape that this node stands for, recorded now; undefined for a node with a rule. */
  unfold(): Tensor | undefined {
    const { again } = this;
    if (!again) return undefined;
    this.again = undefined;
    const y = scope(() => recording(again));
    this.free();
    return y;
  }

  private free(): void {
    for (const x of this.saved) x.unpin();
    this.saved = [];
    this.rule = undefined;
  }
}

/** True inside noGrad: ops then record nothing. */
export const gradPaused = (): boolean => paused > 0;

/** True inside the caller's noGrad, but not in what a training step runs without recording: no update of the weights is near. */
export const weightsRest = (): boolean => resting > 0;

/** Runs `work` without recording. */
export function noGrad<T>(work: () => T): T {
  resting++;
  return after(
    () => pauseGrad(work),
    () => resting--,
  );
}

/** The same for the engine's own steps of training: gradient rules, and passes that run a second time. */
export function pauseGrad<T>(work: () => T): T {
  paused++;
  return after(work, () => paused--);
}

/** Runs `work`, and `undo` when it has ended, well or not. */
function after<T>(work: () => T, undo: () => void): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    undo();
    throw error;
  }
  if (result instanceof Promise) return result.finally(undo) as T;
  undo();
  return result;
}

/** Runs `work` with recording on, also inside backward. */
function recording<T>(work: () => T): T {
  const before = paused;
  paused = 0;
  try {
    return work();
  } finally {
    paused = before;
  }
}

const targetOf = (x: Tensor): Target => x.node ?? (x.wantsGrad ? x : undefined);

/**
 * Puts `y` on the tape, if any input leads to a leaf that wants a gradient.
 *
 * The rule may touch dy, the tensors of `saved` (which the node keeps alive) and plain numbers.
 */
export function record(y: Tensor, parts: { inputs: readonly Tensor[]; saved?: readonly Tensor[] }, rule: Rule): Tensor {
  if (paused) return y;
  const targets = parts.inputs.map(targetOf);
  if (!targets.some(Boolean)) return y;
  const saved = parts.saved ?? [];
  for (const x of saved) x.pin();
  y.node = new Node(y.madeBy, targets, saved, rule);
  return y;
}

/** Puts `y` on the tape as what `again` makes from `inputs`, which stay; see recompute.ts. */
export function recordFolded(y: Tensor, inputs: readonly Tensor[], again: () => Tensor): Tensor {
  for (const x of inputs) x.pin();
  y.node = new Node(y.madeBy, inputs.map(targetOf), inputs, undefined, again);
  return y;
}

/**
 * Backward from `y`: adds d(sum(y * dy))/d(leaf) to the `.grad` of every leaf. `dy` is 1 for a scalar y.
 *
 * @throws ShapeError if dy does not fit, or is missing for a y of more than one element
 */
export function backward(y: Tensor, dy?: Tensor): void {
  const root = targetOf(y.check());
  if (!root)
    throw new UifaceError(`backward: nothing that made ${show(y)} wants a gradient. Call requiresGrad() on a leaf.`);
  if (!dy && y.size !== 1)
    throw new ShapeError(`backward: y is ${show(y)}; give a dy of that shape, or reduce y to one number.`);
  if (dy && !sameShape(dy.shape, y.shape)) throw new ShapeError(`backward: dy is ${show(dy)}, but y is ${show(y)}.`);

  const work = () => {
    const grads = new Map<Node, Tensor>();
    deliver(root, dy ?? tensor(() => [1], y.shape), grads);
    goBack(root, 0, grads);
  };
  pauseGrad(() => scope(work)); // what a rule computes is not recorded in turn
}

/** Runs the nodes that `root` leads to and that were made after `since`. */
function goBack(root: Target, since: number, grads: Map<Node, Tensor>): void {
  for (const node of newestFirst(root, since)) {
    const g = grads.get(node);
    grads.delete(node);
    if (!g) continue;
    const now = clock;
    const y = node.unfold();
    if (y) {
      if (y.node) deliver(y.node, g, grads);
      goBack(y.node, now, grads);
      y.dispose();
    } else {
      const taken: Tensor[] = [];
      const take: Take = (i) => {
        const sum = withdraw(node.targets[i], grads);
        if (sum) taken.push(sum);
        return sum;
      };
      const inputs = scope(() => node.run(g, take, (i) => placeOf(node.targets[i])));
      inputs.forEach((dx, i) => {
        const target = node.targets[i];
        if (dx && target) deliver(target, dx, grads);
      });
      for (const dx of [...inputs, ...taken]) dx?.dispose();
    }
    g.dispose();
  }
}

/** What has arrived at `target`; the next delivery there will be the first. */
function withdraw(target: Target, grads: Map<Node, Tensor>): Tensor | undefined {
  if (target instanceof Node) {
    const sum = grads.get(target);
    grads.delete(target);
    return sum;
  }
  if (target) recorder?.leaf(target);
  if (!target?.grad || target.gradIsStale) return undefined;
  target.gradIsStale = true;
  return target.grad.alias();
}

function placeOf(target: Target): Tensor | undefined {
  if (!target || target instanceof Node) return undefined;
  const sum = gradientOf(target);
  return (target.parts ?? [target]).every((part) => part.gradIsStale) ? sum : undefined;
}

/** Adds dx to what has arrived at `target`. */
function deliver(target: Node | Tensor, dx: Tensor, grads: Map<Node, Tensor>): void {
  if (!(target instanceof Node)) {
    accumulateLeaf(target, dx);
    return;
  }
  const before = grads.get(target);
  if (!before) {
    grads.set(target, dx.alias());
    return;
  }
  const sum = emptyLike(before);
  scope(() => runElements(kernel("add"), { a: before, b: toLayout(dx, before.layout), y: sum }));
  before.dispose();
  grads.set(target, sum);
}

function accumulateLeaf(leaf: Tensor, dx: Tensor): void {
  if (!sameShape(leaf.shape, dx.shape)) {
    throw new ShapeError(`The gradient ${show(dx)} does not fit the leaf ${leaf.name} ${show(leaf)}.`);
  }
  const g = toLayout(dx, leaf.layout);
  const sum = gradientOf(leaf);
  const parts = leaf.parts ?? [leaf];
  const filled = g.storage === sum.storage && g.offset === sum.offset;
  if (!parts[0]!.gradIsStale) runElements(kernel("add_into"), { x: g, y: sum });
  else if (!filled) copyElements(g, sum);
  for (const part of parts) part.gradIsStale = false;
  if (g !== dx) g.dispose();
}

/** Where a leaf's gradient lies, fresh memory if it has none. Those of a leaf's parts lie as the parts do. */
function gradientOf(leaf: Tensor): Tensor {
  const parts = leaf.parts ?? [leaf];
  for (const part of parts) recorder?.leaf(part);
  if (parts.some((part) => !part.grad)) {
    const all = emptyLike(leaf);
    let from = 0;
    for (const part of parts) {
      part.grad?.dispose();
      part.grad = keep(viewOf(all, part.shape, part.layout, from));
      part.gradIsStale = true;
      from += part.size;
    }
    all.dispose();
  }
  return viewOf(parts[0]!.grad!, leaf.shape, leaf.layout, 0);
}

/** The nodes after `since` that `root` leads to, newest first: an order in which every node comes after all that use it. */
function newestFirst(root: Target, since: number): Node[] {
  const seen = new Set<Node>();
  const open: Target[] = [root];
  while (open.length) {
    const target = open.pop();
    if (!(target instanceof Node) || target.order <= since || seen.has(target)) continue;
    seen.add(target);
    open.push(...target.targets);
  }
  return [...seen].sort((a, b) => b.order - a.order);
}
