// attention_1_weigh   y[b, q, h, d] = sum_k p[b, h, q, k] v[b, k, h, d]
//
// Rung           the last of the three kernels of attention_1_scores.wgsl.
// Shapes         p: (B * heads, L, L); v, y: (B, L, C), C = heads * D.
// One workgroup  owns 64 neighbouring elements of y.
// Host           bench/ladder/attention.ts

struct Params { B: u32, heads: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read>       p: array<f32>;
@group(0) @binding(1) var<storage, read>       v: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * grid.x + group.x) * 64u + lane;
  let C = params.heads * params.D;
  let L = params.L;
  if (index >= params.B * L * C) { return; }
  let channel = index % C;
  let query = index / C % L;
  let item = index / C / L;
  let row = ((item * params.heads + channel / params.D) * L + query) * L;
  var sum = 0.0;
  for (var k = 0u; k < L; k++) { sum += p[row + k] * v[(item * L + k) * C + channel]; }
  y[index] = sum;
}
