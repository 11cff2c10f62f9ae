// Verification pairs out of a labelled set: as many of one person as of two.

import { random } from "../engine/random.js";

export interface Pairs {
  /** Indices into the set; pair i is (a[i], b[i]). */
  a: Uint32Array;
  b: Uint32Array;
  /** 1 where both are one person. */
  same: Uint8Array;
}

/**
 * `count` pairs, alternating same and different so that contiguous folds are balanced. Same pairs are drawn without repetition;
 * different pairs take both images from two identities at random.
 *
 * @throws RangeError if the labels do not hold count / 2 distinct same pairs
 */
export function makePairs(labels: ArrayLike<number>, count: number, seed: number): Pairs {
  const rng = random(seed, "pairs");
  const positives: [number, number][] = [];
  for (let i = 0; i < labels.length; i++) {
    for (let j = i + 1; j < labels.length; j++) if (labels[i] === labels[j]) positives.push([i, j]);
  }
  const half = Math.floor(count / 2);
  if (positives.length < half)
    throw new RangeError(`${count} pairs need ${half} pairs of one person; the set has ${positives.length}.`);
  const order = rng.permutation(positives.length);
  const pairs: Pairs = { a: new Uint32Array(2 * half), b: new Uint32Array(2 * half), same: new Uint8Array(2 * half) };
  for (let k = 0; k < half; k++) {
    const [i, j] = positives[order[k]!]!;
    pairs.a[2 * k] = i;
    pairs.b[2 * k] = j;
    pairs.same[2 * k] = 1;
    let [p, q] = [0, 0];
    do [p, q] = [rng.integer(0, labels.length), rng.integer(0, labels.length)];
    while (labels[p] === labels[q]);
    pairs.a[2 * k + 1] = p;
    pairs.b[2 * k + 1] = q;
  }
  return pairs;
}
