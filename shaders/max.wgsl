// max            y[o, i] = max over r of x[o, r, i],  index[o, i] = the first r that has it
//
// Shapes         x: (O, R, I), y, index: (O, I), row-major, R >= 1.
// One thread     one (o, i), walks r.
// Traffic        x once, y and index once.
// Gradient       max_backward.wgsl        Host  engine/ops/reduce.ts        Twin  test/reference/reduce.ts

struct Params { outer: u32, rows: u32, inner: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  if (at >= params.outer * params.inner) { return; }
  let first = at / params.inner * params.rows * params.inner + at % params.inner;

  var most = x[first];
  var best = 0u;
  for (var r = 1u; r < params.rows; r++) {
    let v = x[first + r * params.inner];
    if (v > most) { most = v; best = r; }
  }
  y[at] = most;
  index[at] = best;
}
