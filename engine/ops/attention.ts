// Multi-head attention over token sequences (B, C, L); head h is the slice of D = C / heads channels from h D on.
//
//   A = scale q k^T     P = softmax(A)     y = P v              per item and head: q, y (Lq, D), k, v (Lk, D), A, P (Lq, Lk)
//   dv = P^T dy         dP = dy v^T        dA = P (dP - sum over keys of dP P)        dq = scale dA k     dk = scale dA^T q
//
// Two forms. GPUs have no map at all (attention_tiled.ts). Else logits and probabilities live only between their kernels: backward
// makes them again from q and k. What exists of them at once is a strip of the batch (attention_strip.ts).

import { ShapeError, UifaceError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { noGrad, record } from "../tape.js";
import { empty, emptyLike, type Shape, show, type Tensor } from "../tensor.js";
import { type Channels, checkValues, keysOf, maskOf, type Sizes, Strip, sizesOf, strips } from "./attention_strip.js";
import { attend, attendBackward, fitsTiles, type Operands } from "./attention_tiled.js";
import { embedding } from "./embedding.js";
import { fitted } from "./fitted.js";
import { runRows } from "./rows.js";

export interface LogitOptions {
  heads: number;
  /** A factor on q k^T; D^(-1/2) in the usual form. */
  scale: number;
}

export interface AttentionOptions extends LogitOptions {
  /** u32 (B): item b takes q and k of item source[b]. No gradient. */
  source?: Tensor;
  /** With `source`: item b keeps its q and k; each query's logits A are multiplied by (1 + std A[source[b]] / std A) / 2. */
  blend?: boolean;
  /** Most bytes of logits at a time; by default, and at most, what the adapter can bind. */
  stripBytes?: number;
}

/**
 * softmax(scale q k^T) v.
 *
 * @param q     (B, C, Lq)
 * @param k     (B, C, Lk)
 * @param v     (B, C, Lk)
 * @returns     (B, C, Lq), channels_last
 * @throws      ShapeError if shapes differ, or a head has a number of channels that is no multiple of 4
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const sizes = sizesOf("attention", q, k, options.heads);
  checkValues("attention", sizes, v);
  return attendTo(sizes, [q, k, v], { q: [0, 0], k: [1, 0], v: [2, 0] }, options);
}

/** attention(q, k, v) of the channels of one tensor, (B, 3 C, L): q's, then k's, then v's. */
export function selfAttention(qkv: Tensor, options: AttentionOptions): Tensor {
  const C = qkv.dim(1) / 3;
  const one = { shape: [qkv.dim(0), C, qkv.dim(2)] };
  const sizes = sizesOf("selfAttention", one, one, options.heads);
  return attendTo(sizes, [qkv], { q: [0, 0], k: [0, C], v: [0, 2 * C] }, options);
}

/** attention(q, k, v) with k and v in one tensor, (B, 2 C, Lk): k's channels, then v's. */
export function crossAttention(q: Tensor, kv: Tensor, options: AttentionOptions): Tensor {
  const C = kv.dim(1) / 2;
  const sizes = sizesOf("crossAttention", q, { shape: [kv.dim(0), C, kv.dim(2)] }, options.heads);
  return attendTo(sizes, [q, kv], { q: [0, 0], k: [1, 0], v: [1, C] }, options);
}

const whole = (x: Tensor): Channels => ({ x, first: 0 });

/** Where q, k and v are: the number of an input, and their first channel there. */
type Places = Record<"q" | "k" | "v", readonly [input: number, first: number]>;

/** The operands when the inputs, or their gradients, are `xs`. */
function operandsIn(xs: readonly Tensor[], places: Places): Operands {
  const at = ([i, first]: readonly [number, number]): Channels => ({ x: xs[i]!, first });
  return { q: at(places.q), k: at(places.k), v: at(places.v) };
}

function attendTo(sizes: Sizes, inputs: readonly Tensor[], places: Places, options: AttentionOptions): Tensor {
  const { scale, source } = options;
  const rows = source && checkSource(source, sizes.B);
  const tiled = !rows && fitsTiles(sizes, inputs);
  const holdsKeys = (i: number) => i === places.k[0] || i === places.v[0];
  return scope(() => {
    const xs = inputs.map((x, i) => (holdsKeys(i) && !tiled ? keysOf(x, sizes) : toLayout(x, "channels_last")));
    const within = (of: readonly Tensor[]) => operandsIn(of, places);
    const o = within(xs);
    if (rows) return record(fromStrips(sizes, o, options, rows), { inputs }, refuse);

    const shapes = inputs.map((x) => x.shape);
    const found = tiled ? attend(sizes, o, scale) : { y: fromStrips(sizes, o, options) };
    return record(found.y, { inputs, saved: [...xs, ...Object.values(found)] }, (given, needs) => {
      const dy = toLayout(given, "channels_last");
      const grads =
        "lse" in found ? attendBackward(sizes, xs, within, { ...found, dy }, scale) : xs.map((x) => emptyLike(x));
      if (!("lse" in found)) stripGradients(sizes, o, dy, options, within(grads));
      return grads.map((dx, i) => (needs[i] ? fitted(dx, shapes[i]!, "channels_last") : null));
    });
  });
}

/** y, strip after strip. */
function fromStrips(sizes: Sizes, { q, k, v }: Operands, options: AttentionOptions, rows?: Tensor): Tensor {
  const { scale, blend = false, stripBytes } = options;
  const mask = maskOf(sizes);
  const y = empty([sizes.B, sizes.C, sizes.Lq], "f32", "channels_last");
  const other = rows && { q: { ...q, x: itemsOf(q.x, rows) }, k: { ...k, x: itemsOf(k.x, rows) } };
  for (const strip of strips(sizes, stripBytes)) {
    scope(() => {
      const own = other && !blend ? other : { q, k };
      const logits = strip.compare(own.q, own.k, scale, mask);
      if (other && blend) strip.blend(logits, strip.compare(other.q, other.k, scale), rows);
      strip.weigh(softmaxOf(logits), v, whole(y));
    });
  }
  return y;
}

function stripGradients(sizes: Sizes, { q, k, v }: Operands, dy: Tensor, options: AttentionOptions, d: Operands): void {
  const { scale, stripBytes } = options;
  const mask = maskOf(sizes);
  for (const strip of strips(sizes, stripBytes)) {
    scope(() => {
      const p = softmaxOf(strip.compare(q, k, scale, mask));
      strip.collect(p, whole(dy), d.v);
      strip.toward(q, k, softmaxGradient(p, strip.compare(whole(dy), v)), scale, { dq: d.q, dk: d.k });
    });
  }
}

/**
 * scale q k^T, the raw logits.
 *
 * @param q     (B, C, Lq)
 * @param k     (B, C, Lk)
 * @returns     (B * heads, Lq, Lk), plain
 */
export function attentionLogits(q: Tensor, k: Tensor, { heads, scale }: LogitOptions): Tensor {
  const sizes = sizesOf("attentionLogits", q, k, heads);
  const shape: Shape = [sizes.B * heads, sizes.Lq, sizes.Lk];
  return scope(() => {
    const [Q, K] = [toLayout(q, "channels_last"), keysOf(k, sizes)];
    const strip = new Strip(sizes, 0, sizes.B);
    const logits = fitted(strip.compare(whole(Q), whole(K), scale), shape, "plain");

    return record(logits, { inputs: [q, k], saved: [Q, K] }, (given, needs) => {
      const dA = fitted(toLayout(given, "plain"), [...shape.slice(0, 2), sizes.wideK], "plain");
      const [dq, dk] = [Q, K].map((x, i) => (needs[i] ? whole(emptyLike(x)) : null)) as [Channels, Channels];
      strip.toward(whole(Q), whole(K), dA, scale, { dq, dk });
      return [dq?.x ?? null, dk && fitted(dk.x, k.shape, "channels_last")];
    });
  });
}

/**
 * softmax(logits) v.
 *
 * @param logits  (B * heads, Lq, Lk)
 * @param v       (B, C, Lk)
 * @returns       (B, C, Lq), channels_last
 */
export function attentionFromLogits(logits: Tensor, v: Tensor, heads: number): Tensor {
  const [B, C, Lk] = v.shape as [number, number, number];
  const Lq = logits.dim(1);
  const sizes = sizesOf("attentionFromLogits", { shape: [B, C, Lq] }, v, heads);
  if (logits.shape.length !== 3 || logits.dim(0) !== B * heads || logits.dim(2) !== Lk) {
    throw new ShapeError(`attentionFromLogits: logits are ${show(logits)}, but v ${show(v)} with ${heads} heads needs \
(${B * heads}, Lq, ${Lk}).`);
  }
  const wide: Shape = [B * heads, Lq, sizes.wideK];
  return scope(() => {
    const [A, V] = [toLayout(logits, "plain"), keysOf(v, sizes)];
    const strip = new Strip(sizes, 0, B);
    const y = empty([B, C, Lq], "f32", "channels_last");
    strip.weigh(fitted(softmaxOf(A), wide, "plain"), whole(V), whole(y));

    return record(y, { inputs: [logits, v], saved: [A, V] }, (given, needs) => {
      const dy = toLayout(given, "channels_last");
      const p = softmaxOf(A);
      const dp = needs[0] ? fitted(strip.compare(whole(dy), whole(V)), A.shape, "plain") : null;
      const dv = needs[1] ? emptyLike(V) : null;
      if (dv) strip.collect(fitted(p, wide, "plain"), whole(dy), whole(dv));
      return [dp && softmaxGradient(p, dp), dv && fitted(dv, v.shape, "channels_last")];
    });
  });
}

function checkSource(source: Tensor, B: number): Tensor {
  if (source.dtype === "u32" && source.shape.length === 1 && source.size === B) return source;
  throw new ShapeError(`attention: source is ${show(source)}, but must be (${B}) u32.`);
}

/** x[source[b]] for every item b. */
const itemsOf = (x: Tensor, source: Tensor): Tensor =>
  noGrad(() => embedding(source, x.alias([x.dim(0), x.dim(1) * x.dim(2)], "plain")).alias(x.shape, x.layout));

function softmaxOf(x: Tensor): Tensor {
  const y = emptyLike(x);
  runRows("softmax", { x, y }, { rows: x.size / x.dim(-1), cols: x.dim(-1) });
  return y;
}

function softmaxGradient(y: Tensor, dy: Tensor): Tensor {
  const dx = emptyLike(y);
  runRows("softmax_backward", { y, dy, dx }, { rows: y.size / y.dim(-1), cols: y.dim(-1) });
  return dx;
}

function refuse(): never {
  throw new UifaceError(`attention: there is no gradient through \`source\`.
Call backward on a forward pass without it, or sample inside noGrad().`);
}
