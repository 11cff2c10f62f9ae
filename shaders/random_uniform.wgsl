// Uniform random numbers: y_i in [0, 1), multiples of 2^-24.
//
// Shapes:            y (n), any layout; the values of a tensor depend on key, offset and the place in memory alone
// One workgroup owns 4 WORKGROUP consecutive numbers; the grid may be folded into two dimensions
// One thread:        one Philox block, four numbers: counter (offset + thread, 0, 0, 0)
// Traffic:           writes 4 n bytes, reads none
// Numerics:          integer arithmetic and one exact conversion: the same bits on every adapter
// Gradient:          none
// Host:              engine/ops/random.ts, a fresh key of Rng.key() for each tensor
// Twin:              engine/random.ts, uniformArray

// @import common/philox.wgsl

const WORKGROUP: u32 = 64u;

struct Params { n: u32, key: vec2u, offset: u32 }

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
  @builtin(local_invocation_id) local: vec3u,
) {
  let thread = (group.y * grid.x + group.x) * WORKGROUP + local.x;
  let word = philox4x32(vec4u(params.offset + thread, 0u, 0u, 0u), params.key);
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let at = thread * 4u + i;
    if (at < params.n) { y[at] = to_uniform(word[i]); }
  }
}
