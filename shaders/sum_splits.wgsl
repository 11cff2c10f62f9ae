// sum_splits     y[i] = sum_s x[s, i]: the second pass of a kernel whose depth was split, in a fixed order
//
// Shapes         x: (splits, n), y: (n), n a multiple of 4.
// One workgroup  64 threads, 256 neighbouring elements.
// One thread     one vec4f of y.
// Traffic        x once, y once.
// Numerics       f32, s in order: same input, same bits.
// GELU           behind y, from element params.behind on, a multiple of 4: gelu(y).
// Host           engine/ops/tiled_plan.ts
//
// @import common/gelu.wgsl

const GELU: bool = false;

struct Params { n: u32, splits: u32, behind: u32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.n / 4u) { return; }
  var sum = x[i];
  for (var s = 1u; s < params.splits; s++) { sum += x[s * (params.n / 4u) + i]; }
  y[i] = sum;
  if (GELU) { y[params.behind / 4u + i] = gelu4(sum); }
}
