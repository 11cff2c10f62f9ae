// Float64 twin of engine/ops/embedding.ts.

import { type Array64, array } from "./array.js";

export function embedding(ids: Array64, w: Array64): Array64 {
  const width = w.shape[1]!;
  return array([...ids.shape, width], (e) => w.data[ids.data[Math.floor(e / width)]! * width + (e % width)]!);
}
