// expand         y[o, r, i] = scale * x[o, i]: the gradient of a sum over r
//
// Shapes         x: (O, I), y: (O, R, I), row-major.
// One thread     four adjacent elements of y; the last ones may reach past its end, into the block's own padding.
// Traffic        x once an element of y (scalar), y once.
// Host           engine/ops/reduce.ts        Twin  test/reference/reduce.ts

struct Params { n: u32, rows: u32, inner: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

fn value(e: u32) -> f32 {
  return x[e / (params.rows * params.inner) * params.inner + e % params.inner];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  let e = 4u * at;
  if (e >= params.n) { return; }
  y[at] = params.scale * vec4f(value(e), value(e + 1u), value(e + 2u), value(e + 3u));
}
