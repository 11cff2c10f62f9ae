// Float64 twin of engine/ops/layout.ts. Arrays have no layout here, so contiguous and channelsLast are the identity.

import { type Array64, array, count, strides } from "./array.js";

export function reshape(x: Array64, sizes: readonly number[]): Array64 {
  const known = count(sizes.filter((n) => n !== -1));
  return { shape: sizes.map((n) => (n === -1 ? x.data.length / known : n)), data: x.data };
}

export function permute(x: Array64, dims: readonly number[]): Array64 {
  const shape = dims.map((d) => x.shape[d]!);
  const [from, to] = [strides(x.shape), strides(shape)];
  return array(
    shape,
    (e) => x.data[dims.reduce((at, d, i) => at + (Math.floor(e / to[i]!) % shape[i]!) * from[d]!, 0)]!,
  );
}
