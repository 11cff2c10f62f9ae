// Float64 twin of engine/ops/embedding.ts.

import { type Array64, array } from "./array.js";

export function embedding(ids: Array64, w: Array64): Array64 {
  const [rows, width] = w.shape as [number, number];
  const row = (e: number) => Math.min(ids.data[Math.floor(e / width)]!, rows - 1);
  return array([...ids.shape, width], (e) => w.data[row(e) * width + (e % width)]!);
}
