// softmax        y[r, c] = exp(x[r, c] - m[r]) / s[r],  m = row maximum, s = row sum of exp(x - m)
//
// Shapes         x, y: (R, C), rows contiguous.
// One workgroup  owns one row. Rows past 65,535 fold into the second grid dimension.
// One thread     walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours.
// Traffic        x twice, y once in and twice out.
// Numerics       the maximum starts from the row's own first element: no "minus infinity" is needed. Fixed order of sums.
// Gradient       softmax_backward.wgsl        Host  engine/ops/softmax.ts        Twin  test/reference/softmax.ts
//
// @import common/reduce.wgsl
// @import common/row.wgsl
// @import common/exp_row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 256u;     // threads a row; the host narrows it for short rows

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= params.rows) { return; }            // the same for all threads, so the barriers below are safe
  let first = row * params.cols;
  let end = first + params.cols;

  var most = x[first];
  for (var i = first + lane; i < end; i += WORKGROUP) { most = max(most, x[i]); }
  let m = workgroup_max(across_max(most), lane);

  var s = T();
  for (var i = first + lane; i < end; i += WORKGROUP) {
    let e = exp_row(x[i] - m);
    s += e;
    y[i] = e;
  }
  let r = 1.0 / workgroup_sum(across_sum(s), lane);

  for (var i = first + lane; i < end; i += WORKGROUP) { y[i] *= r; }
}
