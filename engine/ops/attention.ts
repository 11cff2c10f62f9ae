// Multi-head attention over token sequences (B, C, L); head h is the slice of D = C / heads channels from h D on.
//
//   A = scale q k^T     P = softmax(A)     y = P v              per item and head: q, y (Lq, D), k, v (Lk, D), A, P (Lq, Lk)
//   dv = P^T dy         dP = dy v^T        dA = P (dP - sum over keys of dP P)        dq = scale dA k     dk = scale dA^T q
//
// Logits and probabilities live only between their kernels: backward makes them again from q and k. What exists of them at once is
// a strip of the batch (attention_strip.ts).

import { ShapeError, UifaceError } from "../errors.js";
import { toLayout } from "../layout.js";
import { scope } from "../scope.js";
import { noGrad, record } from "../tape.js";
import { empty, emptyLike, type Shape, show, type Tensor } from "../tensor.js";
import { checkValues, keysOf, maskOf, Strip, sizesOf, strips } from "./attention_strip.js";
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
  const { heads, scale, source, blend = false, stripBytes } = options;
  const sizes = sizesOf("attention", q, k, heads);
  checkValues("attention", sizes, v);
  const rows = source && checkSource(source, sizes.B);
  return scope(() => {
    const [Q, K, V] = [toLayout(q, "channels_last"), keysOf(k, sizes), keysOf(v, sizes)];
    const mask = maskOf(sizes);
    const y = empty(q.shape, "f32", "channels_last");
    const other = rows && { rows, q: itemsOf(Q, rows), k: itemsOf(K, rows) };
    for (const strip of strips(sizes, stripBytes)) {
      scope(() => {
        const own = other && !blend ? other : { q: Q, k: K };
        const logits = strip.compare(own.q, own.k, scale, mask);
        if (other && blend) strip.blend(logits, strip.compare(other.q, other.k, scale), other.rows);
        strip.weigh(softmaxOf(logits), V, y);
      });
    }
    if (rows) return record(y, { inputs: [q, k, v] }, refuse);

    const saved = [Q, K, V];
    return record(y, { inputs: [q, k, v], saved: mask ? [...saved, mask] : saved }, (given, needs) => {
      const dy = toLayout(given, "channels_last");
      const [dq, dk, dv] = [Q, K, V].map((x, i) => (needs[i] ? emptyLike(x) : null)) as [Tensor, Tensor, Tensor];
      for (const strip of strips(sizes, stripBytes)) {
        scope(() => {
          const p = softmaxOf(strip.compare(Q, K, scale, mask));
          if (needs[2]) strip.collect(p, dy, dv);
          if (needs[0] || needs[1]) strip.toward(Q, K, softmaxGradient(p, strip.compare(dy, V)), scale, { dq, dk });
        });
      }
      return [dq, dk && fitted(dk, k.shape, "channels_last"), dv && fitted(dv, v.shape, "channels_last")];
    });
  });
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
    const logits = fitted(strip.compare(Q, K, scale), shape, "plain");

    return record(logits, { inputs: [q, k], saved: [Q, K] }, (given, needs) => {
      const dA = fitted(toLayout(given, "plain"), [...shape.slice(0, 2), sizes.wideK], "plain");
      const [dq, dk] = [Q, K].map((x, i) => (needs[i] ? emptyLike(x) : null)) as [Tensor, Tensor];
      strip.toward(Q, K, dA, scale, { dq, dk });
      return [dq, dk && fitted(dk, k.shape, "channels_last")];
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
    strip.weigh(fitted(softmaxOf(A), wide, "plain"), V, y);

    return record(y, { inputs: [logits, v], saved: [A, V] }, (given, needs) => {
      const dy = toLayout(given, "channels_last");
      const p = softmaxOf(A);
      const dp = needs[0] ? fitted(strip.compare(dy, V), A.shape, "plain") : null;
      const dv = needs[1] ? emptyLike(V) : null;
      if (dv) strip.collect(fitted(p, wide, "plain"), dy, dv);
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
