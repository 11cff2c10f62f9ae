// Standard normal random numbers (Box-Muller):
//
//   r = sqrt(-2 ln(1 - u))     y = r cos(2 pi v), r sin(2 pi v)       (u, v) = words (0, 1) and (2, 3) of a block
//
// Shapes:            y (n), any layout; the values of a tensor depend on key, offset and the place in memory alone
// One workgroup owns 4 WORKGROUP consecutive numbers; the grid may be folded into two dimensions
// One thread:        one Philox block, four numbers: counter (offset + thread, 0, 0, 0)
// Traffic:           writes 4 n bytes, reads none
// Numerics:          |y| <= 5.77 (u has 24 bits); cos and sin by polynomial, because the builtins may be off by 2e-4;
//                    ln(1 - u) by series for small u, where log may have an absolute error of 2^-21
// Gradient:          none
// Host:              engine/ops/random.ts, a fresh key of Rng.key() for each tensor
// Twin:              engine/random.ts, normalArray

// @import common/philox.wgsl

const WORKGROUP: u32 = 64u;

struct Params { n: u32, key: vec2u, offset: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

// -ln(1 - u), u in [0, 1). Below 1/16 the first seven terms leave a relative error under 1e-9.
fn minus_log(u: f32) -> f32 {
  let series = u * (1.0 + u * (1.0 / 2.0 + u * (1.0 / 3.0 + u * (1.0 / 4.0 + u * (1.0 / 5.0 + u * (1.0 / 6.0 + u / 7.0))))));
  return select(-log(1.0 - u), series, u < 0.0625);
}

// (cos, sin) of v turns, v in [0, 1). The nearest quarter turn is taken off exactly; Taylor to x^8 and x^9 is good to
// 1e-8 on the +- pi/4 that are left.
fn cos_sin_turns(v: f32) -> vec2f {
  let quarter = u32(v * 4.0 + 0.5);
  let x = (v - f32(quarter) * 0.25) * 6.2831853071795864;
  let s = x * x;
  let c0 = 1.0 + s * (-1.0 / 2.0 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s / 40320.0)));
  let s0 = x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s / 362880.0))));
  switch (quarter & 3u) {
    case 1u: { return vec2f(-s0, c0); }
    case 2u: { return vec2f(-c0, -s0); }
    case 3u: { return vec2f(s0, -c0); }
    default: { return vec2f(c0, s0); }
  }
}

fn box_muller(a: u32, b: u32) -> vec2f {
  return sqrt(2.0 * minus_log(to_uniform(a))) * cos_sin_turns(to_uniform(b));
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let thread = (group.y * grid.x + group.x) * WORKGROUP + local.x;
  let word = philox4x32(vec4u(params.offset + thread, 0u, 0u, 0u), params.key);
  let z = vec4f(box_muller(word.x, word.y), box_muller(word.z, word.w));
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let at = thread * 4u + i;
    if (at < params.n) { y[at] = z[i]; }
  }
}
