// erf4           to 2e-7, for every x
//
// Source         |x| < 1: Cephes (S. Moshier), ndtrf.c. Above: 1 - exp(p(|x|)), p the least-squares fit of log erfc on [1, 4]
//                at 400 Chebyshev nodes, weighted by sqrt(erfc): 7e-8 off at most. From 4 on erf is 1 in f32.
//
// @import common/exp_log.wgsl

fn erf4(x: vec4f) -> vec4f {
  let z = x * x;
  let near = x * ((((((7.853861353153693e-5 * z - 8.010193625184903e-4) * z + 5.188327685732524e-3) * z
                     - 2.685381193529856e-2) * z + 1.128358514861418e-1) * z - 3.761262582423300e-1) * z
                  + 1.128379165726710);
  let a = abs(x);
  let t = min(a, vec4f(4.0));
  let p = (((((1.32425e-4 * t - 2.3767697e-3) * t + 1.9386575e-2) * t - 9.7637869e-2) * t - 6.4483202e-1) * t - 1.12283683) * t
          - 1.4411532e-3;
  let far = 1.0 - exp(p);
  return or_nan4(select(select(far, -far, x < vec4f(0.0)), near, a < vec4f(1.0)), x);
}
