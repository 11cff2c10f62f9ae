// cat_rows_backward   (da[r], db[r]) = dy[r]: the channels of two tensors taken apart again
//
// Shapes         dy: (R, M + N), da: (R, M), db: (R, N), M and N multiples of 4; R: every dimension but the channels.
// One thread     VECS neighbouring vec4's of dy.
// Traffic        dy once, da, db once.
// Host           engine/ops/cat.ts        Twin  test/reference/cat.ts

const VECS: u32 = 4u;            // vec4's a thread (docs/kernels.md)

struct Params { n: u32, a_units: u32, b_units: u32 }   // vec4's of dy, of a row of da, of a row of db

@group(0) @binding(0) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> da: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> db: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let first = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  let units = params.a_units + params.b_units;
  for (var i = first; i < min(first + VECS, params.n); i++) {
    let row = i / units;
    let unit = i % units;
    if (unit < params.a_units) { da[row * params.a_units + unit] = dy[i]; }
    else { db[row * params.b_units + unit - params.a_units] = dy[i]; }
  }
}
