// attention_2_online   y = softmax(scale q k^T) v, a head at a time
//
// Rung           one thread a query walks over the keys with the running maximum and sum of softmax_3_online.wgsl and its row of y in
//                registers (Rabe and Staats 2021; Dao et al. 2022): no map is ever stored.
// Shapes         q, k, v, y: (B, L, C), C = heads * D, D = 32.
// One workgroup  owns 32 queries of one head.
// Traffic        q and y once, k and v L times.
// Host           bench/ladder/attention.ts

const D4: u32 = 8u;              // vec4f's of a head

struct Params { B: u32, heads: u32, L: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       q: array<vec4f>;
@group(0) @binding(1) var<storage, read>       k: array<vec4f>;
@group(0) @binding(2) var<storage, read>       v: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform>             params: Params;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * grid.x + group.x) * 32u + lane;
  let L = params.L;
  if (index >= params.B * params.heads * L) { return; }
  let head = index / L % params.heads;
  let item = index / L / params.heads;
  let row = params.heads * D4;                   // from one token to the next
  let mine = (item * L + index % L) * row + head * D4;
  let keys = item * L * row + head * D4;

  // @registers
  var own: array<vec4f, D4>;
  // @registers
  var sum: array<vec4f, D4>;
  // @unroll
  for (var d = 0u; d < D4; d++) { own[d] = q[mine + d] * params.scale; }
  var most = -3.0e38;
  var s = 0.0;
  for (var at = keys; at < keys + L * row; at += row) {
    var four = vec4f();
    // @unroll
    for (var d = 0u; d < D4; d++) { four = fma(own[d], k[at + d], four); }
    let score = dot(four, vec4f(1.0));
    let higher = max(most, score);
    let shrink = exp(most - higher);
    let weight = exp(score - higher);
    s = s * shrink + weight;
    // @unroll
    for (var d = 0u; d < D4; d++) { sum[d] = sum[d] * shrink + weight * v[at + d]; }
    most = higher;
  }
  // @unroll
  for (var d = 0u; d < D4; d++) { y[mine + d] = sum[d] / s; }
}
