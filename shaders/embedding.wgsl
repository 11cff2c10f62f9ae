// embedding      y[r, :] = w[ids[r], :]
//
// Shapes         ids: (R), w: (N, D), y: (R, D); `cols` is D in elements of T. An id of N or more reads the last row.
// One thread     VECS adjacent elements of type T; the last ones may reach past n, into the block's own padding.
// Traffic        the chosen rows of w once, y once.
// Gradient       embedding_backward.wgsl        Host  engine/ops/embedding.ts        Twin  test/reference/embedding.ts

alias T = f32;                   // vec4f where D is a multiple of 4
const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       ids: array<u32>;
@group(0) @binding(1) var<storage, read>       w: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    let e = i + v;
    y[e] = w[min(ids[e / params.cols], params.rows - 1u) * params.cols + e % params.cols];
  }
}
