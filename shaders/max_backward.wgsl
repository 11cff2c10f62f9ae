// max_backward   dx[o, r, i] = dy[o, i] where r = index[o, i], else 0
//
// Shapes         dx: (O, R, I), dy, index: (O, I), row-major.
// One thread     one element of dx.
// Traffic        dy and index once an element of dx, dx once.
// Host           engine/ops/reduce.ts        Twin  test/reference/reduce.ts

struct Params { outer: u32, rows: u32, inner: u32 }

@group(0) @binding(0) var<storage, read>       dy: array<f32>;
@group(0) @binding(1) var<storage, read>       index: array<u32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let e = (group.y * grid.x + group.x) * 64u + lane;
  if (e >= params.outer * params.rows * params.inner) { return; }
  let i = e % params.inner;
  let r = e / params.inner % params.rows;
  let at = e / (params.inner * params.rows) * params.inner + i;
  dx[e] = select(0.0, dy[at], index[at] == r);
}
