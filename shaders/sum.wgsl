// sum            y[r, k] = scale * sum of x[r, c] over the columns c of chunk k
//
// Shapes         x: (R, C), y: (R, K), K = ceil(C / run); a second call with K columns ends a long row.
// One workgroup  owns one chunk of one row: `run` columns. Chunks past 65,535 fold into the second grid dimension.
// One thread     walks columns lane, lane + WORKGROUP, ... so neighbours read neighbours.
// Traffic        x once, y once.
// Numerics       sums in f32; the tree in reduce.wgsl fixes the order: same input, same bits.
// Gradient       expand.wgsl        Host  engine/ops/reduce.ts        Twin  test/reference/reduce.ts
//
// @import common/reduce.wgsl

const WORKGROUP: u32 = 256u;     // threads a chunk; the host narrows it for short rows

struct Params { rows: u32, cols: u32, chunks: u32, run: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = group.y * grid.x + group.x;
  if (at >= params.rows * params.chunks) { return; }      // the same for all threads, so the barriers below are safe
  let row = at / params.chunks;
  let first = (at % params.chunks) * params.run;
  let end = row * params.cols + min(first + params.run, params.cols);

  var s = 0.0;
  for (var i = row * params.cols + first + lane; i < end; i += WORKGROUP) { s += x[i]; }
  s = workgroup_sum(s, lane);
  if (lane == 0u) { y[at] = params.scale * s; }
}
