// A walk through memory: the host gives up to eight sizes and strides, the innermost dimension first (engine/ops/strided.ts).

const DIMS: u32 = 8u;            // how many of them are in use

/** Entry d of a list of eight. */
fn pick(low: vec4u, high: vec4u, d: u32) -> u32 {
  if (d < 4u) { return low[d]; }
  return high[d - 4u];
}
