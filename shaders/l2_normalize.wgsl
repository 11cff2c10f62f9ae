// l2_normalize   y[r, c] = x[r, c] / max(n[r], eps),  n = sqrt(row sum of x^2)
//
// Shapes         x, y: (R, C), rows contiguous, norm: (R).
// One workgroup  owns one row. Rows past 65,535 fold into the second grid dimension.
// One thread     walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours.
// Traffic        x twice, y once.
// Gradient       l2_normalize_backward.wgsl        Host  engine/ops/l2_normalize.ts        Twin  test/reference/l2_normalize.ts
//
// @import common/reduce.wgsl
// @import common/row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 256u;     // threads a row; the host narrows it for short rows

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= params.rows) { return; }            // the same for all threads, so the barriers below are safe
  let first = row * params.cols;
  let end = first + params.cols;

  var squares = T();
  for (var i = first + lane; i < end; i += WORKGROUP) { squares += x[i] * x[i]; }
  let n = sqrt(workgroup_sum(across_sum(squares), lane));

  for (var i = first + lane; i < end; i += WORKGROUP) { y[i] = x[i] / max(n, params.eps); }
  if (lane == 0u) { norm[row] = n; }
}
