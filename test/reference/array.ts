// What the float64 twins of the kernels work on: a row-major array with a shape.

export interface Array64 {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** An array of zeros, or of `fill(i)`. */
export function array(shape: readonly number[], fill?: (i: number) => number): Array64 {
  const data = new Float64Array(count(shape));
  if (fill) for (let i = 0; i < data.length; i++) data[i] = fill(i);
  return { shape, data };
}

/** The same shape, every element mapped. */
export const map = (x: Array64, f: (v: number, i: number) => number): Array64 => ({
  shape: x.shape,
  data: x.data.map(f),
});

/** Row-major strides, in elements. */
export function strides(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) out[i] = out[i + 1]! * shape[i + 1]!;
  return out;
}
