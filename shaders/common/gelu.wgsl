// gelu4, gelu_slope4: x Phi(x) with the exact distribution function of the normal distribution, and its derivative
//
// @import common/erf.wgsl

fn gelu4(x: vec4f) -> vec4f { return 0.5 * x * (1.0 + erf4(0.70710678 * x)); }           // 1 / sqrt(2)

fn gelu_slope4(x: vec4f) -> vec4f {
  return 0.5 * (1.0 + erf4(0.70710678 * x)) + 0.39894228 * x * exp(-0.5 * x * x);        // 1 / sqrt(2 pi)
}
