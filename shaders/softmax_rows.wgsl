// softmax_rows   y[r, c] = exp(x[r, c] - m[r]) / s[r],  m = row maximum, s = row sum of exp(x - m)
//
// Shapes         x, y: (R, C), rows contiguous.
// One thread     owns one row: software adapters have no use for workgroup memory. For rows too long for softmax_lanes.wgsl.
// Traffic        x twice, y once in and twice out.
// Numerics       the maximum starts from the row's own first element: no "minus infinity" is needed. Fixed order of sums.
// Gradient       softmax_backward_rows.wgsl        Host  engine/ops/rows.ts        Twin  test/reference/softmax.ts
//
// @import common/row.wgsl
// @import common/exp_row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 16u;

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let end = first + params.cols;

  var most = x[first];
  for (var i = first; i < end; i++) { most = max(most, x[i]); }
  let m = across_max(most);

  var s = T();
  for (var i = first; i < end; i++) {
    let e = exp_row(x[i] - m);
    s += e;
    y[i] = e;
  }
  let r = 1.0 / across_sum(s);

  for (var i = first; i < end; i++) { y[i] *= r; }
}
