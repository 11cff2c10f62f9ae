// softmax_2_tree   y[r, c] = exp(x[r, c] - m[r]) / s[r],  m = row maximum, s = row sum of exp(x - m)
//
// Rung           a workgroup a row: 64 threads read neighbours together and meet in a tree. What a GPU wants, since a row is read by
//                many; in software the barriers cost more than the row.
// Shapes         x, y: (R, C), rows contiguous.
// Traffic        x twice, y once in and twice out.
// Host           bench/ladder/softmax.ts
//
// @import common/reduce.wgsl

const WORKGROUP: u32 = 64u;

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
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
  let m = workgroup_max(most, lane);
  var s = 0.0;
  for (var i = first + lane; i < end; i += WORKGROUP) {
    let e = exp(x[i] - m);
    s += e;
    y[i] = e;
  }
  let total = workgroup_sum(s, lane);
  for (var i = first + lane; i < end; i += WORKGROUP) { y[i] /= total; }
}
