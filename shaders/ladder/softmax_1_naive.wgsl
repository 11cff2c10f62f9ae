// softmax_1_naive   y[r, c] = exp(x[r, c] - m[r]) / s[r],  m = row maximum, s = row sum of exp(x - m)
//
// Rung           one thread a row, three passes as in the formula: every exponential is taken twice.
// Shapes         x, y: (R, C), rows contiguous.
// Traffic        x three times, y once.
// Host           bench/ladder/softmax.ts

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 64u + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let end = first + params.cols;
  var m = x[first];
  for (var i = first; i < end; i++) { m = max(m, x[i]); }
  var s = 0.0;
  for (var i = first; i < end; i++) { s += exp(x[i] - m); }
  for (var i = first; i < end; i++) { y[i] = exp(x[i] - m) / s; }
}
