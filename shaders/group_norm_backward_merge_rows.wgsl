// group_norm_backward_merge_rows   group_norm_backward_merge for software adapters: a thread a group, no workgroup memory
//
// Shapes         as in group_norm_backward_merge.wgsl.
// One thread     owns one group of one item and walks its channels and their chunks.
// Traffic        partial once: small beside x.
// Next           group_norm_backward.wgsl, group_norm_backward_weight.wgsl        Host  engine/ops/group_norm.ts
//
// @import common/group_norm.wgsl
// @import common/group_norm_uv.wgsl

const WORKGROUP: u32 = 16u;
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
  let at = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (at >= params.batch * params.groups) { return; }
  let b = at / params.groups;
  let width = params.channels / params.groups;
  let first = (at % params.groups) * width;
  let rstd = 1.0 / sqrt(stats[at].y + params.eps);

  var group_sums = vec2f();
  for (var c = first; c < first + width; c++) { group_sums += channel_sums(b, c, rstd); }
  for (var c = first; c < first + width; c++) { write_uv(b, c, group_sums, rstd); }
}
