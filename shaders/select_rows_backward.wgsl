// select_rows_backward  dx[r, :] = dy[r, :] where row r was chosen, else 0
//
// Shapes         flag: (R); dy, dx: (R, D); `cols` is D in elements of T.
// One thread     VECS adjacent elements of type T; the last ones may reach past n, into the block's own padding.
// Traffic        dy once, dx once.
// Gradient of    select_rows.wgsl        Host  engine/ops/select.ts        Twin  test/reference/select.ts

alias T = f32;                   // vec4f where D is a multiple of 4
const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs
const CHOSEN: bool = true;       // for a: rows whose flag is not 0; false, for b: the others

struct Params { n: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       flag: array<u32>;
@group(0) @binding(1) var<storage, read>       dy: array<T>;
@group(0) @binding(2) var<storage, read_write> dx: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    let e = i + v;
    dx[e] = select(T(0.0), dy[e], (flag[e / params.cols] != 0u) == CHOSEN);
  }
}
