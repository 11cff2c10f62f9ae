// The numbers of unary.wgsl and unary_backward.wgsl: the host sets OP to one of them (engine/ops/unary.ts holds the same
// list, in this order; test/ops/unary.test.ts compares the two).
//
// @import common/exp_log.wgsl

const OP: u32 = 0u;

const AFFINE: u32 = 0u;
const EXP: u32 = 1u;
const LOG: u32 = 2u;
const SQRT: u32 = 3u;
const RSQRT: u32 = 4u;
const SQUARE: u32 = 5u;
const POW: u32 = 6u;
const ABS: u32 = 7u;
const CLAMP: u32 = 8u;
const SIN: u32 = 9u;
const COS: u32 = 10u;
const ACOS: u32 = 11u;
const TANH: u32 = 12u;
const SIGMOID: u32 = 13u;
const RELU: u32 = 14u;
const LEAKY_RELU: u32 = 15u;
const SILU: u32 = 16u;
const GELU: u32 = 17u;

/** x^p. Of x < 0 the sign is known for whole p only: `parity` is 0 for even p, 1 for odd, 2 for broken p (then NaN). */
fn pow4(x: vec4f, p: f32, parity: u32) -> vec4f {
  let y = exp2(p * log2(abs(x)));
  let negative = x < vec4f(0.0);
  if (parity == 2u) { return select(or_nan4(y, x), log4(x), negative); }
  return or_nan4(select(y, -y, negative & vec4<bool>(parity == 1u)), x);
}
