// sum_columns    y[o, k, i] = scale * sum of x[o, r, i] over the rows r of chunk k
//
// Shapes         x: (O, R, I), y: (O, K, I) in elements of T, K = ceil(R / run); a second call with K rows ends a long sum.
// One thread     one (o, k, i): neighbours read neighbours along i. Four loads a turn: software adapters pay for turns.
// Traffic        x once, y once.
// Numerics       four running sums in f32, added in a fixed order: same input, same bits.
// Gradient       expand.wgsl        Host  engine/ops/reduce.ts        Twin  test/reference/reduce.ts

alias T = vec4f;                 // vec4f where I is a multiple of 4, else f32
const WORKGROUP: u32 = 64u;      // 16 on software adapters

struct Params { outer: u32, rows: u32, inner: u32, chunks: u32, run: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (at >= params.outer * params.chunks * params.inner) { return; }
  let i = at % params.inner;
  let k = (at / params.inner) % params.chunks;
  let o = at / (params.inner * params.chunks);
  let first = k * params.run;
  let rows = min(params.run, params.rows - first);
  let step = params.inner;

  var p = (o * params.rows + first) * step + i;
  var s0 = T(); var s1 = T(); var s2 = T(); var s3 = T();
  for (var r = 0u; r < rows / 4u; r++) {
    s0 += x[p]; s1 += x[p + step]; s2 += x[p + 2u * step]; s3 += x[p + 3u * step];
    p += 4u * step;
  }
  for (var r = 0u; r < rows % 4u; r++) { s0 += x[p]; p += step; }
  y[at] = params.scale * ((s0 + s1) + (s2 + s3));
}
