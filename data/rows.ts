// Rows of numbers that lie one after the other in one array, as embeddings, latents and images do: row i begins at i * width.

type Numbers = Float32Array | Float64Array | Uint8Array;

/** Row i, as a view. */
export const rowOf = <T extends Numbers>(x: T, i: number, width: number): T =>
  x.subarray(i * width, (i + 1) * width) as T;

/** A copy of the rows `indices`, in that order. */
export function takeRows<T extends Numbers>(x: T, indices: ArrayLike<number>, width: number): T {
  const out = like(x, indices.length * width);
  for (let k = 0; k < indices.length; k++) out.set(rowOf(x, indices[k]!, width), k * width);
  return out;
}

/** One or more rows of one length, as one array. */
export function joinRows<T extends Numbers>(rows: readonly T[]): T {
  const width = rows[0]!.length;
  const out = like(rows[0]!, rows.length * width);
  for (const [k, row] of rows.entries()) out.set(row, k * width);
  return out;
}

const like = <T extends Numbers>(x: T, length: number): T => new (x.constructor as new (length: number) => T)(length);
