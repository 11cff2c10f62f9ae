// group_norm_backward_merge   partial sums to the sums per (b, c), and to u, v of dx = a d + u (x - mean) + v
//
//   u = -rstd^3 sum(g d (x - mean)) / n,  v = -rstd sum(g d) / n        sums over the group, g = w (1 + scale)
//
// Shapes         partial: (B, K, 2, C), w: (C), modulation: (B, 2, C), stats: (B, G) of (mean, variance), uv: (B, 2, C),
//                sums: (B, 2, C) of sum d and of sum d (x - mean) rstd.
// One workgroup  owns one group of one item.
// One thread     walks channels lane, lane + WORKGROUP, ... and all their chunks.
// Traffic        partial once: small beside x.
// Next           group_norm_backward.wgsl, group_norm_backward_weight.wgsl        Host  engine/ops/group_norm.ts
//
// @import common/reduce.wgsl
// @import common/group_norm.wgsl
// @import common/group_norm_uv.wgsl

const WORKGROUP: u32 = 32u;
const AFFINE: bool = true;       // false: w is 1 (and bias 0), and not read
const MODULATED: bool = false;   // true: modulation is read

@group(0) @binding(0) var<storage, read>       partial: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read>       modulation: array<f32>;
@group(0) @binding(3) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> uv: array<f32>;
@group(0) @binding(6) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = group.y * grid.x + group.x;
  if (at >= params.batch * params.groups) { return; }   // the same for all threads, so the barriers below are safe
  let b = at / params.groups;
  let width = params.channels / params.groups;
  let first = (at % params.groups) * width;
  let rstd = 1.0 / sqrt(stats[at].y + params.eps);

  var total = vec2f();
  for (var c = lane; c < width; c += WORKGROUP) { total += channel_sums(b, first + c, rstd); }
  let group_sums = vec2f(workgroup_sum(total.x, lane), workgroup_sum(total.y, lane));
  for (var c = lane; c < width; c += WORKGROUP) { write_uv(b, first + c, group_sums, rstd); }
}
