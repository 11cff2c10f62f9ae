// l2_normalize_backward   dx[r, c] = (dy[r, c] - y[r, c] g[r]) / max(n[r], eps),  g = row sum of dy y, 0 where n < eps
//
// Shapes         y, dy, dx: (R, C), rows contiguous, norm: (R).
// One workgroup  owns one row. Rows past 65,535 fold into the second grid dimension.
// One thread     walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours.
// Traffic        y, dy twice, dx once.
// Host           engine/ops/l2_normalize.ts        Twin  test/reference/l2_normalize.ts
//
// @import common/reduce.wgsl
// @import common/row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 256u;     // threads a row; the host narrows it for short rows

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       y: array<T>;
@group(0) @binding(1) var<storage, read>       dy: array<T>;
@group(0) @binding(2) var<storage, read>       norm: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<T>;
@group(0) @binding(4) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= params.rows) { return; }            // the same for all threads, so the barriers below are safe
  let first = row * params.cols;
  let end = first + params.cols;

  let n = norm[row];
  var product = T();
  for (var i = first + lane; i < end; i += WORKGROUP) { product += dy[i] * y[i]; }
  let total = workgroup_sum(across_sum(product), lane);
  // Below eps the divisor is a constant.
  let g = select(0.0, total, n >= params.eps);

  for (var i = first + lane; i < end; i += WORKGROUP) { dx[i] = (dy[i] - g * y[i]) / max(n, params.eps); }
}
