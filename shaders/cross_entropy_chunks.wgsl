// cross_entropy_chunks   per (row, chunk of columns): m = maximum, s = sum of exp(x - m), and the sum of x - m
//
// Shapes         x: (R, C), rows contiguous, partial: (R, K) of (m, s, sum of x - m, 0), K = ceil(C / run).
// One thread     one chunk of one row: for software adapters, where a thread a row would leave cores idle.
// Traffic        x twice, partial once.
// Next           cross_entropy_rows.wgsl        Host  engine/ops/cross_entropy.ts
//
// @import common/exp_row.wgsl

alias T = f32;

struct Params { rows: u32, cols: u32, chunks: u32, run: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 16u + lane;
  if (at >= params.rows * params.chunks) { return; }
  let row = at / params.chunks;
  let begin = (at % params.chunks) * params.run;
  let first = row * params.cols + begin;
  let end = row * params.cols + min(begin + params.run, params.cols);

  var m = x[first];
  for (var i = first; i < end; i++) { m = max(m, x[i]); }
  var s = 0.0;
  var below = 0.0;
  for (var i = first; i < end; i++) { s += exp_row(x[i] - m); below += x[i] - m; }
  partial[at] = vec4f(m, s, below, 0.0);
}
