// embedding_backward  dw[ids[r], :] = sum of dy[s, :] over all s with the same id
//
// Shapes         ids: (R), dy: (R, D), dw: (N, D), zero before; `cols` is D in elements of T.
// One thread     one element of type T of one row r. The first r of an id sums for all of them, the others return: no atomics,
//                and work for R rows instead of N.
// Traffic        ids once a thread; dy once; the touched rows of dw once.
// Numerics       added in the order of the rows: same input, same bits.
// Gradient of    embedding.wgsl        Host  engine/ops/embedding.ts        Twin  test/reference/embedding.ts

alias T = f32;                   // vec4f where D is a multiple of 4

struct Params { n: u32, rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       ids: array<u32>;
@group(0) @binding(1) var<storage, read>       dy: array<T>;
@group(0) @binding(2) var<storage, read_write> dw: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let e = (group.y * grid.x + group.x) * 64u + lane;
  if (e >= params.n) { return; }
  let r = e / params.cols;
  let c = e % params.cols;
  let id = min(ids[r], params.rows - 1u);
  for (var s = 0u; s < r; s++) {
    if (min(ids[s], params.rows - 1u) == id) { return; }
  }
  var sum = dy[e];
  for (var s = r + 1u; s < params.n / params.cols; s++) {
    if (min(ids[s], params.rows - 1u) == id) { sum += dy[s * params.cols + c]; }
  }
  dw[id * params.cols + c] = sum;
}
