// cross_entropy  loss[r] = m + log s - (1 - e) x[r, t] - e (row mean of x),  m = row maximum, s = row sum of exp(x - m)
//
// Shapes         x: (R, C), rows contiguous, labels t: (R), loss: (R), stats: (R) of (m, 1 / s). e is the label smoothing.
// One workgroup  owns one row. Rows past 65,535 fold into the second grid dimension.
// One thread     walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours.
// Traffic        x twice.
// Numerics       the mean is taken of x - m; the tree in reduce.wgsl fixes the order: same input, same bits.
// Gradient       cross_entropy_backward.wgsl   Host  engine/ops/cross_entropy.ts   Twin  test/reference/cross_entropy.ts
//
// @import common/reduce.wgsl
// @import common/exp_row.wgsl

alias T = f32;
const WORKGROUP: u32 = 256u;     // threads a row; the host narrows it for short rows

struct Params { rows: u32, cols: u32, smoothing: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       labels: array<u32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(4) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= params.rows) { return; }            // the same for all threads, so the barriers below are safe
  let first = row * params.cols;
  let end = first + params.cols;

  var m = x[first];
  for (var i = first + lane; i < end; i += WORKGROUP) { m = max(m, x[i]); }
  m = workgroup_max(m, lane);

  var s = 0.0;
  var below = 0.0;                               // sum of x - m
  for (var i = first + lane; i < end; i += WORKGROUP) { s += exp_row(x[i] - m); below += x[i] - m; }
  s = workgroup_sum(s, lane);
  below = workgroup_sum(below, lane);

  if (lane == 0u) {
    let label = x[first + labels[row]] - m;
    loss[row] = log(s) - (1.0 - params.smoothing) * label - params.smoothing * below / f32(params.cols);
    stats[row] = vec2f(m, 1.0 / s);
  }
}
