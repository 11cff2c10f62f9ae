// exp4, log4, sigmoid4: the builtins, except that NaN stays NaN and log of a negative number is NaN
//
// Why            SwiftShader (webgpu 0.6.2, 2026-11) gives exp(NaN) = inf, log(NaN) = 89 and log(-200) = 5.3, which would hide
//                a broken training step. NaN is looked for in the bits: a compiler may assume that x == x.

fn is_nan4(x: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u);
}

/** NaN where x is NaN, else y. */
fn or_nan4(y: vec4f, x: vec4f) -> vec4f { return select(y, x, is_nan4(x)); }

fn exp4(x: vec4f) -> vec4f { return or_nan4(exp(x), x); }

fn log4(x: vec4f) -> vec4f {
  let nan = bitcast<vec4f>(bitcast<vec4u>(x) | vec4u(0x7fc00000u));
  return select(log(x), nan, is_nan4(x) | (x < vec4f(0.0)));
}

fn sigmoid4(x: vec4f) -> vec4f { return or_nan4(1.0 / (1.0 + exp(-x)), x); }
