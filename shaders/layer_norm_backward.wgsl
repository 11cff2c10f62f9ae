// layer_norm_backward   dx = rstd (g - row mean of g - xhat (row mean of g xhat)),  g = dy w;  dw[r, c] = dy xhat, to be summed over r
//
// Shapes         x, dy, dx, dw: (R, C), rows contiguous, w: (C), stats: (R) of (mean, rstd).
// One workgroup  owns one row. Rows past 65,535 fold into the second grid dimension.
// One thread     walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours.
// Traffic        x, dy, w twice, dx, dw once.
// Host           engine/ops/layer_norm.ts        Twin  test/reference/layer_norm.ts
//
// @import common/row_tree.wgsl
// @import common/layer_norm_backward.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const WORKGROUP: u32 = 256u;     // threads a row; the host narrows it for short rows

struct Params { rows: u32, cols: u32, count: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       w: array<T>;
@group(0) @binding(2) var<storage, read>       dy: array<T>;
@group(0) @binding(3) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> dx: array<T>;
@group(0) @binding(5) var<storage, read_write> dw: array<T>;
@group(0) @binding(6) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= params.rows) { return; }            // the same for all threads, so the barriers below are safe
  row_gradient(row * params.cols, lane, stats[row].x, stats[row].y);
}
