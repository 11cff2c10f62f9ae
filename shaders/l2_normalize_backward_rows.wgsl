// l2_normalize_backward_rows   dx[r, c] = (dy[r, c] - y[r, c] g[r]) / max(n[r], eps),  g = row sum of dy y, 0 where n < eps
//
// Shapes         y, dy, dx: (R, C), rows contiguous, norm: (R).
// One thread     owns one row: software adapters have no use for workgroup memory.
// Traffic        y, dy twice, dx once.
// Host           engine/ops/l2_normalize.ts        Twin  test/reference/l2_normalize.ts
//
// @import common/row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 16u;

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<storage, read>       y: array<T>;
@group(0) @binding(1) var<storage, read>       dy: array<T>;
@group(0) @binding(2) var<storage, read>       norm: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<T>;
@group(0) @binding(4) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let end = first + params.cols;

  let n = norm[row];
  var product = T();
  for (var i = first; i < end; i++) { product += dy[i] * y[i]; }
  let total = across_sum(product);
  // Below eps the divisor is a constant.
  let g = select(0.0, total, n >= params.eps);

  for (var i = first; i < end; i++) { dx[i] = (dy[i] - g * y[i]) / max(n, params.eps); }
}
