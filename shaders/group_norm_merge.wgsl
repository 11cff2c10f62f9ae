// group_norm_merge   partial statistics to mean and variance per group, and to the affine map per (b, c)
//
// Shapes         partial: (B, K, 2, C), w, bias: (C), modulation: (B, 2, C) of scale and shift, stats: (B, G) of (mean,
//                variance), affine: (B, 3, C) of a, s and the group's mean.
// One workgroup  owns one group of one item.
// One thread     walks the pairs (chunk, channel) lane, lane + WORKGROUP, ...
// Traffic        partial twice (means, then squares), affine once: small beside x.
// Numerics       mean = sum of n_k mean_k / N, then m2 = sum of m2_k + n_k (mean_k - mean)^2 (Chan): nothing cancels.
// Next           group_norm.wgsl        Host  engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts
//
// @import common/reduce.wgsl
// @import common/group_norm.wgsl
// @import common/group_norm_affine.wgsl

const WORKGROUP: u32 = 64u;
const AFFINE: bool = true;       // false: w is 1 (and bias 0), and not read
const MODULATED: bool = false;   // true: modulation is read

@group(0) @binding(0) var<storage, read>       partial: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read>       bias: array<f32>;
@group(0) @binding(3) var<storage, read>       modulation: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> affine: array<f32>;
@group(0) @binding(6) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = group.y * grid.x + group.x;
  if (at >= params.batch * params.groups) { return; }   // the same for all threads, so the barriers below are safe
  let b = at / params.groups;
  let width = params.channels / params.groups;
  let first = (at % params.groups) * width;
  let pairs = params.chunks * width;

  var total = 0.0;
  for (var i = lane; i < pairs; i += WORKGROUP) {
    total += pixels_of(i / width) * partial[partial_index(b, i / width, 0u, first + i % width)];
  }
  let mean = workgroup_sum(total, lane) / params.count;

  var m2 = 0.0;
  for (var i = lane; i < pairs; i += WORKGROUP) {
    let d = partial[partial_index(b, i / width, 0u, first + i % width)] - mean;
    m2 += partial[partial_index(b, i / width, 1u, first + i % width)] + pixels_of(i / width) * d * d;
  }
  let variance = workgroup_sum(m2, lane) / params.count;

  if (lane == 0u) { stats[at] = vec2f(mean, variance); }
  for (var c = lane; c < width; c += WORKGROUP) { write_affine(b, first + c, mean, 1.0 / sqrt(variance + params.eps)); }
}
