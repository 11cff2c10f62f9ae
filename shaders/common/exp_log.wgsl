// exp4, log4, sigmoid4: the builtins, with IEEE's results for NaN, infinities, zero and negative arguments
//
// Why            SwiftShader (webgpu 0.6.2, 2026-11) gives exp(NaN) = inf, log(NaN) = 89.1, log(inf) = 88.7, log(-200) = 5.3:
//                a broken training step would go unseen. Delete when test/ops/unary.test.ts passes without.
//                NaN is looked for in the bits: a compiler may assume that x == x.

fn is_nan4(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

/** NaN where x is NaN, else y. */
fn or_nan4(y: vec4f, x: vec4f) -> vec4f { return select(y, x, is_nan4(x)); }

fn exp4(x: vec4f) -> vec4f { return or_nan4(exp(x), x); }

fn log4(x: vec4f) -> vec4f {
  let bits = bitcast<vec4u>(x);
  var y = select(log(x), x, (bits & vec4u(0x7fffffffu)) >= vec4u(0x7f800000u));            // inf, NaN
  y = select(y, bitcast<vec4f>(bits | vec4u(0xff800000u)), x == vec4f(0.0));                // -inf
  return select(y, bitcast<vec4f>(bits | vec4u(0x7fc00000u)), x < vec4f(0.0));              // NaN
}

fn sigmoid4(x: vec4f) -> vec4f { return or_nan4(1.0 / (1.0 + exp(-x)), x); }
