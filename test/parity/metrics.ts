// Ten-fold verification against scikit-learn's and NumPy's numbers. No adapter is needed.

import { verify } from "../../evaluate/verification.js";
import { loadGolden, relativeError } from "../golden.js";
import { type ParityCase, parity } from "./cases.js";

const exact = 1e-12; // ratios of counts; mean and deviation differ in the order of a sum

parity("metrics", async () => {
  const golden = loadGolden("metrics");
  const got = verify(
    golden.values("verification/e1"),
    golden.values("verification/e2"),
    golden.values("verification/same"),
  );
  const check = (name: string, values: ArrayLike<number>): ParityCase => ({
    file: "metrics",
    case: `verification/${name}`,
    allowed: exact,
    run: async () => relativeError(values, golden.read(`verification/${name}`).data as Float64Array),
  });
  return [
    check("accuracy", [got.accuracy]),
    check("std", [got.std]),
    check("fold_accuracy", got.foldAccuracy),
    check("fold_threshold", got.foldThreshold),
  ];
});
