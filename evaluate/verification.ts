// Face verification: are two images of one person? The protocol of LFW and its successors (Huang et al. 2007, as coded in
// InsightFace and TFace), in float64.
//
//   distance   d = sum_j (a_j - b_j)^2 of the unit embeddings, in [0, 4]          "same" when d < threshold
//   10 folds   of consecutive pairs; the threshold that is best on nine is tested on the tenth
//
// Accuracies are ratios of counts, so they agree with the authors' to the last bit.

import { ShapeError } from "../engine/errors.js";

const folds = 10;

/** 0, 0.01, ..., 3.99 as NumPy's arange makes them: i times 0.01 in float64. */
export const thresholds: Float64Array = Float64Array.from({ length: 400 }, (_, i) => i * 0.01);

export interface Verification {
  /** Mean of the ten accuracies, and their standard deviation (divided by 10, not 9). */
  accuracy: number;
  std: number;
  foldAccuracy: Float64Array;
  foldThreshold: Float64Array;
  /** Mean of the ten thresholds: the one to use on new pairs. */
  threshold: number;
}

/**
 * Ten-fold verification accuracy.
 *
 * @param a, b   (P, dim) row-major, unit rows; pair k is row k of both
 * @param same   (P), 1 where the pair shows one person
 */
export function verify(a: ArrayLike<number>, b: ArrayLike<number>, same: ArrayLike<number | boolean>): Verification {
  const distance = pairDistances(a, b, same.length);
  if (distance.length < folds) {
    throw new ShapeError(`verification: ${distance.length} pairs are too few for ${folds} folds.`);
  }
  const correct = foldSizes(distance.length).map(() => new Uint32Array(thresholds.length)); // right answers, per fold
  const total = new Float64Array(thresholds.length);
  const sizes = foldSizes(distance.length);
  let pair = 0;
  sizes.forEach((size, fold) => {
    for (const end = pair + size; pair < end; pair++) {
      // From this threshold on the pair is called "same".
      const turn = firstAbove(thresholds, distance[pair]!);
      const [from, to] = same[pair] ? [turn, thresholds.length] : [0, turn];
      for (let i = from; i < to; i++) correct[fold]![i]!++;
    }
    correct[fold]!.forEach((count, i) => {
      total[i]! += count;
    });
  });

  const foldAccuracy = new Float64Array(folds);
  const foldThreshold = new Float64Array(folds);
  for (let fold = 0; fold < folds; fold++) {
    let best = 0; // the first of equals
    for (let i = 1; i < thresholds.length; i++) {
      if (total[i]! - correct[fold]![i]! > total[best]! - correct[fold]![best]!) best = i;
    }
    foldThreshold[fold] = thresholds[best]!;
    foldAccuracy[fold] = correct[fold]![best]! / sizes[fold]!;
  }
  const accuracy = mean(foldAccuracy);
  const std = Math.sqrt(mean(foldAccuracy.map((value) => (value - accuracy) ** 2)));
  return { accuracy, std, foldAccuracy, foldThreshold, threshold: mean(foldThreshold) };
}

/** Squared distance of each of `pairs` pairs, float64. */
function pairDistances(a: ArrayLike<number>, b: ArrayLike<number>, pairs: number): Float64Array {
  const dim = a.length / pairs;
  if (a.length !== b.length || !Number.isInteger(dim) || dim < 1) {
    throw new ShapeError(`verification: ${pairs} pairs do not fit embeddings of ${a.length} and ${b.length} numbers.`);
  }
  const out = new Float64Array(pairs);
  for (let pair = 0; pair < pairs; pair++) {
    let sum = 0;
    for (let i = pair * dim; i < (pair + 1) * dim; i++) sum += (a[i]! - b[i]!) ** 2;
    if (!Number.isFinite(sum)) throw new ShapeError(`verification: an embedding of pair ${pair} is not finite.`);
    out[pair] = sum;
  }
  return out;
}

/**
 * The embedding of an image: features of it and of its mirror image added, then scaled to length 1.
 *
 * @param features, flipped   (B, dim) row-major, raw
 */
export function flipEmbedding(features: Float32Array, flipped: Float32Array, dim: number): Float32Array {
  const out = features.map((value, i) => value + flipped[i]!);
  for (let row = 0; row < out.length; row += dim) {
    let squares = 0;
    for (let i = row; i < row + dim; i++) squares += out[i]! ** 2;
    const length = Math.sqrt(squares);
    for (let i = row; i < row + dim; i++) out[i]! /= length;
  }
  return out;
}

/** scikit-learn's KFold without shuffling: the first n mod 10 folds hold one pair more. */
function foldSizes(n: number): number[] {
  return Array.from({ length: folds }, (_, fold) => Math.floor(n / folds) + (fold < n % folds ? 1 : 0));
}

/** Index of the first value of a rising array that is above x; its length if none is. */
function firstAbove(rising: Float64Array, x: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x < rising[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Error rates at every distinct score, rising. A pair is accepted when its score is at least the threshold. */
export interface Rates {
  threshold: Float64Array;
  /** False matches: the share of pairs of two people with score >= threshold. */
  fmr: Float64Array;
  /** False non-matches: the share of pairs of one person with score < threshold. */
  fnmr: Float64Array;
}

/** Error rates from scores where higher means more alike (cosines, or negative distances). */
export function errorRates(genuine: ArrayLike<number>, impostor: ArrayLike<number>): Rates {
  if (!genuine.length || !impostor.length) {
    throw new ShapeError(
      `error rates: ${genuine.length} genuine and ${impostor.length} impostor scores; both must exist.`,
    );
  }
  const g = Float64Array.from(genuine).sort();
  const n = Float64Array.from(impostor).sort();
  if (Number.isNaN(g.at(-1)) || Number.isNaN(n.at(-1))) throw new ShapeError("error rates: a score is NaN.");
  const threshold = Float64Array.from(new Set([...g, ...n])).sort();
  const fmr = threshold.slice();
  const fnmr = threshold.slice();
  let i = 0;
  let j = 0;
  threshold.forEach((t, k) => {
    while (i < g.length && g[i]! < t) i++;
    while (j < n.length && n[j]! < t) j++;
    fnmr[k] = i / g.length;
    fmr[k] = (n.length - j) / n.length;
  });
  return { threshold, fmr, fnmr };
}

export interface EqualError {
  eer: number;
  /** The two rates whose mean it is. */
  low: number;
  high: number;
  threshold: number;
}

/**
 * Equal error rate, by the rule of pyeer: at the first threshold where fmr <= fnmr, or at the one before if the two rates
 * sum to no more there.
 */
export function equalError({ threshold, fmr, fnmr }: Rates): EqualError {
  // Past the highest score fmr is 0; the search ends there when genuine scores never fall behind.
  const found = fmr.findIndex((rate, i) => rate <= fnmr[i]!);
  let at = found < 0 ? threshold.length - 1 : found;
  if (found > 0 && fmr[at] !== fnmr[at] && fmr[at - 1]! + fnmr[at - 1]! <= fmr[at]! + fnmr[at]!) at--;
  const [low, high] = [fmr[at]!, fnmr[at]!].sort((a, b) => a - b) as [number, number];
  return { eer: (low + high) / 2, low, high, threshold: threshold[at]! };
}

/** Points of the ROC curve from (0, 0) to (1, 1), rising. */
export interface Roc {
  fpr: Float64Array;
  tpr: Float64Array;
}

export function roc({ fmr, fnmr }: Rates): Roc {
  return {
    fpr: Float64Array.of(0, ...fmr.toReversed()),
    tpr: Float64Array.of(0, ...fnmr.toReversed().map((rate) => 1 - rate)),
  };
}

/** Area under the ROC curve by trapezoids: the chance that a genuine score beats an impostor one, a tie counting half. */
export function areaUnder({ fpr, tpr }: Roc): number {
  let area = 0;
  for (let i = 1; i < fpr.length; i++) area += ((fpr[i]! - fpr[i - 1]!) * (tpr[i]! + tpr[i - 1]!)) / 2;
  return area;
}
