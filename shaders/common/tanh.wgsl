// tanh4          to 2e-7, for every x (SwiftShader's builtin gives NaN for large ones)
//
// Source         the polynomial is Cephes' (S. Moshier), tanhf.c; beyond it tanh x = 1 - 2 / (exp(2 x) + 1)
//
// @import common/exp_log.wgsl

fn tanh4(x: vec4f) -> vec4f {
  let a = abs(x);
  let z = x * x;
  let near = x + x * z * ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z
                          - 3.33332819422e-1);
  let far = 1.0 - 2.0 / (exp(2.0 * min(a, vec4f(10.0))) + 1.0);                 // 1 from 10 on
  return or_nan4(select(select(far, -far, x < vec4f(0.0)), near, a < vec4f(0.625)), x);
}
