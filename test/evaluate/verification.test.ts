import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  areaUnder,
  equalError,
  errorRates,
  flipEmbedding,
  roc,
  thresholds,
  verify,
} from "../../evaluate/verification.js";
import { goldenDir, loadGolden, relativeError } from "../golden.js";

// Against the authors' own numbers: test/parity/metrics.ts. Here: the awkward cases, with the values the tools gave.

interface TenFold {
  name: string;
  pairs: number;
  fold_accuracy: number[];
  fold_threshold: number[];
  accuracy: number;
  std: number;
  best_threshold: number;
}
interface Eer {
  name: string;
  eer: number;
  eer_low: number;
  eer_high: number;
  eer_threshold: number;
  auc: number;
}
const expected = JSON.parse(readFileSync(join(goldenDir(), "formats", "verify", "expected.json"), "utf8")) as {
  tenfold: TenFold[];
  tenfold_errors: { name: string; pairs: number }[];
  flip: { tolerance: number };
  eer: Eer[];
};
const arrays = loadGolden("formats/verify/arrays");

/** Rows 2k and 2k + 1 of the embeddings are pair k. */
function pairsOf(name: string) {
  const [rows, dim] = arrays.shape(`${name}/embeddings`) as [number, number];
  const data = arrays.values(`${name}/embeddings`);
  const pick = (which: number) =>
    Float32Array.from(
      { length: (rows / 2) * dim },
      (_, i) => data[(2 * Math.floor(i / dim) + which) * dim + (i % dim)]!,
    );
  return { a: pick(0), b: pick(1), same: arrays.values(`${name}/same`) };
}

describe("ten folds", () => {
  test.each(expected.tenfold)("$name, $pairs pairs", (want) => {
    const { a, b, same } = pairsOf(want.name);
    const got = verify(a, b, same);
    expect([...got.foldAccuracy]).toEqual(want.fold_accuracy);
    expect([...got.foldThreshold]).toEqual(want.fold_threshold);
    expect(got.accuracy).toBeCloseTo(want.accuracy, 14);
    expect(got.std).toBeCloseTo(want.std, 14);
    expect(got.threshold).toBeCloseTo(want.best_threshold, 14);
  });

  test.each(expected.tenfold_errors)("why: $name, $pairs pairs, are too few", ({ name }) => {
    const { a, b, same } = pairsOf(name);
    expect(() => verify(a, b, same)).toThrow("too few");
  });
});

/** Pairs with the given squared distances, one number each. */
const at = (...distances: number[]) =>
  [Float64Array.from(distances, Math.sqrt), new Float64Array(distances.length)] as const;
const all = (value: number, n = 10) => Array.from({ length: n }, () => value);

test("why: a distance on a threshold is not below it, and of equal thresholds the first is taken", () => {
  const [a, b] = at(...all(0.25));
  const got = verify(a, b, all(1));
  expect([...got.foldThreshold]).toEqual(all(0.26));
  expect(got.accuracy).toBe(1);
  expect([...verify(a, b, all(0)).foldThreshold]).toEqual(all(0));
});

test("why: the threshold comes from the other nine folds alone", () => {
  const [a, b] = at(...all(0, 9), 1); // the last pair is "same" although its images are far apart
  const got = verify(a, b, all(1));
  expect([...got.foldThreshold]).toEqual([...all(1.01, 9), 0.01]);
  expect([...got.foldAccuracy]).toEqual([...all(1, 9), 0]);
});

test("why: a wrong length or a NaN is not scored in silence", () => {
  expect(() => verify(new Float32Array(20), new Float32Array(22), all(1))).toThrow("do not fit");
  expect(() => verify(new Float32Array(25), new Float32Array(25), all(1))).toThrow("do not fit");
  const [a, b] = at(...all(1));
  a[3] = Number.NaN;
  expect(() => verify(a, b, all(1))).toThrow("pair 3 is not finite");
});

test("thresholds are i times 0.01", () => {
  expect(thresholds.length).toBe(400);
  expect(thresholds[307]).toBe(307 * 0.01);
});

test("the embedding of an image and its mirror image", () => {
  const dim = arrays.shape("flip/features")[1]!;
  const got = flipEmbedding(arrays.values("flip/features"), arrays.values("flip/features_of_flipped"), dim);
  expect(relativeError(got, arrays.values("flip/embedding"))).toBeLessThan(expected.flip.tolerance);
});

test.each(expected.eer)("equal error rate and area of $name", (want) => {
  const scores = (kind: string) => arrays.values(`eer_${want.name}/${kind}_scores`);
  const rates = errorRates(scores("genuine"), scores("impostor"));
  const got = equalError(rates);
  expect(got.eer).toBeCloseTo(want.eer, 9);
  expect(got.low).toBeCloseTo(want.eer_low, 9);
  expect(got.high).toBeCloseTo(want.eer_high, 9);
  expect(got.threshold).toBeCloseTo(want.eer_threshold, 6);
  expect(areaUnder(roc(rates))).toBeCloseTo(want.auc, 9);
});

test("why: when two thresholds are as good, the lower one is the equal error's", () => {
  expect(equalError(errorRates([2, 4], [1, 2]))).toEqual({ eer: 0.25, low: 0, high: 0.5, threshold: 2 });
});

test("why: the curve runs from (0, 0) to (1, 1), and a score without worth gives the diagonal", () => {
  const curve = roc(errorRates([1, 1, 1], [1, 1]));
  expect([...curve.fpr]).toEqual([0, 1]);
  expect([...curve.tpr]).toEqual([0, 1]);
  expect(areaUnder(curve)).toBe(0.5);
  expect(areaUnder(roc(errorRates([-1, -2], [1, 2])))).toBe(0);
  expect(() => errorRates([], [1])).toThrow("0 genuine");
  expect(() => errorRates([Number.NaN], [1])).toThrow("NaN");
});
