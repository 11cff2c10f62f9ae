// select_rows    y[r, :] = a[r, :] where flag[r] is not 0, else b[r, :]
//
// Shapes         flag: (R); y: (R, D); a, b: (R, D) or (1, D), then repeated; `cols` is D in elements of T.
// One thread     VECS adjacent elements of type T; the last ones may reach past n, into the block's own padding.
// Traffic        one of a, b once, y once.
// Gradient       select_rows_backward.wgsl        Host  engine/ops/select.ts        Twin  test/reference/select.ts

alias T = f32;                   // vec4f where D is a multiple of 4
const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, cols: u32, a_rows: u32, b_rows: u32 }

@group(0) @binding(0) var<storage, read>       flag: array<u32>;
@group(0) @binding(1) var<storage, read>       a: array<T>;
@group(0) @binding(2) var<storage, read>       b: array<T>;
@group(0) @binding(3) var<storage, read_write> y: array<T>;
@group(0) @binding(4) var<uniform>             params: Params;

fn chosen(e: u32) -> T {
  if (flag[e / params.cols] != 0u) { return a[e % (params.a_rows * params.cols)]; }
  return b[e % (params.b_rows * params.cols)];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    let e = i + v;
    y[e] = chosen(e);
  }
}
