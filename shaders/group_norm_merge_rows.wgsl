// group_norm_merge_rows   group_norm_merge for software adapters: a thread a group, no workgroup memory
//
// Shapes         as in group_norm_merge.wgsl.
// One thread     owns one group of one item and walks its chunks and channels twice.
// Traffic        partial twice (means, then squares), affine once: small beside x.
// Numerics       as in group_norm_merge.wgsl, in the order of chunks and channels.
// Next           group_norm.wgsl        Host  engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts
//
// @import common/group_norm.wgsl
// @import common/group_norm_affine.wgsl

const WORKGROUP: u32 = 16u;
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
  let at = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (at >= params.batch * params.groups) { return; }
  let b = at / params.groups;
  let width = params.channels / params.groups;
  let first = (at % params.groups) * width;

  var total = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    for (var c = first; c < first + width; c++) { total += pixels_of(k) * partial[partial_index(b, k, 0u, c)]; }
  }
  let mean = total / params.count;

  var m2 = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    for (var c = first; c < first + width; c++) {
      let d = partial[partial_index(b, k, 0u, c)] - mean;
      m2 += partial[partial_index(b, k, 1u, c)] + pixels_of(k) * d * d;
    }
  }
  let variance = m2 / params.count;

  stats[at] = vec2f(mean, variance);
  for (var c = first; c < first + width; c++) { write_affine(b, c, mean, 1.0 / sqrt(variance + params.eps)); }
}
