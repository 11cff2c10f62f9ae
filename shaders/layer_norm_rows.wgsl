// layer_norm_rows   y[r, c] = xhat[r, c] w[c] + b[c],  xhat = (x - mean[r]) rstd[r]
//
// Shapes         x, y: (R, C), rows contiguous, w, b: (C), stats: (R) of (mean, rstd).
// One thread     owns one row: software adapters have no use for workgroup memory.
// Traffic        x three times, w, b, y once.
// Numerics       the mean first, then the squares of x - mean.
// Gradient       layer_norm_backward_rows.wgsl        Host  engine/ops/layer_norm.ts        Twin  test/reference/layer_norm.ts
//
// @import common/row_thread.wgsl
// @import common/moments.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 16u;

struct Params { rows: u32, cols: u32, count: f32, eps: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       w: array<T>;
@group(0) @binding(2) var<storage, read>       b: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let mean = row_mean(first, lane);
  let rstd = 1.0 / sqrt(row_squares(first, lane, mean) / params.count + params.eps);
  for (var i = first + column_of(lane); i < first + params.cols; i += stride()) {
    y[i] = (x[i] - mean) * rstd * w[i - first] + b[i - first];
  }
  stats[row] = vec2f(mean, rstd);
}
