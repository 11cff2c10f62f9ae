// l2_normalize_rows   y[r, c] = x[r, c] / max(n[r], eps),  n = sqrt(row sum of x^2)
//
// Shapes         x, y: (R, C), rows contiguous, norm: (R).
// One thread     owns one row: software adapters have no use for workgroup memory.
// Traffic        x twice, y once.
// Gradient       l2_normalize_backward_rows.wgsl        Host  engine/ops/l2_normalize.ts        Twin  test/reference/l2_normalize.ts
//
// @import common/row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 16u;

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let end = first + params.cols;

  var squares = T();
  for (var i = first; i < end; i++) { squares += x[i] * x[i]; }
  let n = sqrt(across_sum(squares));

  for (var i = first; i < end; i++) { y[i] = x[i] / max(n, params.eps); }
  norm[row] = n;
}
