// variance_rows  y[r] = row sum of (x - mean[r])^2 / divisor, or its square root
//
// Shapes         x: (R, C), rows contiguous, y, mean: (R). `count` is C, `divisor` C or C - 1.
// One thread     owns one row: software adapters have no use for workgroup memory.
// Traffic        x twice.
// Numerics       the mean first, then the squares of x - mean.
// Gradient       variance_backward.wgsl        Host  engine/ops/variance.ts        Twin  test/reference/reduce.ts
//
// @import common/row_thread.wgsl
// @import common/moments.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 16u;
const STD: bool = false;         // true: its square root

struct Params { rows: u32, cols: u32, count: f32, divisor: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let m = row_mean(first, lane);
  var v = row_squares(first, lane, m) / params.divisor;
  if (STD) { v = sqrt(v); }
  y[row] = v;
  mean[row] = m;
}
