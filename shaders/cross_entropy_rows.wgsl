// cross_entropy_rows   loss[r] as in cross_entropy.wgsl, from the chunks of cross_entropy_chunks.wgsl
//
// Shapes         x: (R, C), labels: (R), partial: (R, K) of (m, s, sum of x - m, 0), loss: (R), stats: (R) of (m, 1 / s).
// One thread     one row, walks its chunks twice: the maximum, then s and the sum moved to it.
// Traffic        partial twice.
// Gradient       cross_entropy_backward.wgsl   Host  engine/ops/cross_entropy.ts   Twin  test/reference/cross_entropy.ts

struct Params { rows: u32, cols: u32, chunks: u32, run: u32, smoothing: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       labels: array<u32>;
@group(0) @binding(2) var<storage, read>       partial: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(5) var<uniform>             params: Params;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 16u + lane;
  if (row >= params.rows) { return; }
  let first = row * params.chunks;

  var m = partial[first].x;
  for (var k = 1u; k < params.chunks; k++) { m = max(m, partial[first + k].x); }
  var s = 0.0;
  var below = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    let p = partial[first + k];
    s += p.y * exp(p.x - m);
    below += p.z + (p.x - m) * f32(min(params.run, params.cols - k * params.run));
  }
  let label = x[row * params.cols + labels[row]] - m;
  loss[row] = log(s) - (1.0 - params.smoothing) * label - params.smoothing * below / f32(params.cols);
  stats[row] = vec2f(m, 1.0 / s);
}
