// attention_1_scores   y[b, h, q, k] = scale sum_d q[b, q, h, d] k[b, k, h, d]
//
// Rung           the formula in three kernels, one thread an element: scores, softmax_1_naive.wgsl, attention_1_weigh.wgsl. The map of all
//                queries by all keys is written and read twice.
// Shapes         q, k: (B, L, C), C = heads * D; y: (B * heads, L, L).
// One workgroup  owns 64 neighbouring elements of y.
// Host           bench/ladder/attention.ts

struct Params { B: u32, heads: u32, L: u32, D: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       q: array<f32>;
@group(0) @binding(1) var<storage, read>       k: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * grid.x + group.x) * 64u + lane;
  let L = params.L;
  if (index >= params.B * params.heads * L * L) { return; }
  let head = index / (L * L) % params.heads;
  let item = index / (L * L) / params.heads;
  let from_q = ((item * L + index / L % L) * params.heads + head) * params.D;
  let from_k = ((item * L + index % L) * params.heads + head) * params.D;
  var sum = 0.0;
  for (var d = 0u; d < params.D; d++) { sum += q[from_q + d] * k[from_k + d]; }
  y[index] = params.scale * sum;
}
