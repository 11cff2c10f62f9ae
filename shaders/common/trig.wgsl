// sin4, cos4, acos4: to 2e-7 for every finite f32 (the adapters' builtins are off by up to 2e-4)
//
// Reduction      in integers (Payne and Hanek 1983), so that no compiler can reassociate it: |x| = m 2^(e-150) times the
//                bits of 2/pi that matter gives |x| in quarter turns mod 4, as fixed point with 30 binary places.
// Polynomials    Cephes (S. Moshier), sinf.c and asinf.c.
// Numerics       infinities and NaN give NaN; acos4 gives NaN outside [-1, 1].
//
// @import common/philox.wgsl

// 2/pi in binary, after 32 zeros: a small |x| looks before the point.
const TWO_OVER_PI = array<u32, 7>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u);
const QUARTER: f32 = 1.5707963267948966;

/** 32 bits of TWO_OVER_PI from bit `shift` of word k on. */
fn window(k: u32, shift: u32) -> u32 {
  var words = TWO_OVER_PI;
  return (words[k] << shift) | ((words[k + 1u] >> 1u) >> (31u - shift));
}

/** sin(|x| + quarters * pi / 2). */
fn sin_quarters(x: f32, quarters: u32) -> f32 {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  let e = bits >> 23u;
  var r = bitcast<f32>(bits);                   // what is left in [-pi/4, pi/4]
  var q = quarters;
  if (e >= 126u) {                              // |x| >= 1/2
    let m = (bits & 0x7fffffu) | 0x800000u;
    let start = e - 120u;
    let turns = m * window(start >> 5u, start & 31u) + mul_high(m, window((start >> 5u) + 1u, start & 31u));
    let nearest = (turns + 0x20000000u) >> 30u;
    q += nearest;
    r = f32(bitcast<i32>(turns - (nearest << 30u))) * (QUARTER * 0x1p-30f);
  }
  let z = r * r;
  let s = r + r * z * ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1);
  let c = 1.0 - 0.5 * z + z * z * ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2);
  let y = select(s, c, (q & 1u) == 1u);
  return select(select(y, -y, (q & 2u) == 2u), bitcast<f32>(bits | 0x7fc00000u), e == 255u);
}

fn sin1(x: f32) -> f32 {
  let y = sin_quarters(x, 0u);
  return select(y, -y, x < 0.0);
}

fn cos1(x: f32) -> f32 { return sin_quarters(x, 1u); }

fn sin4(x: vec4f) -> vec4f { return vec4f(sin1(x.x), sin1(x.y), sin1(x.z), sin1(x.w)); }

fn cos4(x: vec4f) -> vec4f { return vec4f(cos1(x.x), cos1(x.y), cos1(x.z), cos1(x.w)); }

/** acos x = pi/2 - asin x near 0, else 2 asin(sqrt((1 - |x|) / 2)), mirrored for x < 0. */
fn acos4(x: vec4f) -> vec4f {
  let a = abs(x);
  let far = a > vec4f(0.5);
  let z = select(a * a, 0.5 * (1.0 - a), far);
  let s = select(a, sqrt(z), far);
  let asin = s + s * z * ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z
                          + 1.6666752422e-1);
  let y = select(QUARTER - asin, 2.0 * asin, far);         // acos |x|
  return select(y, 2.0 * QUARTER - y, x < vec4f(0.0));
}
