// prelu          y = x where x > 0, else w[c] x
//
// Shapes         x, y: (n) in memory order; w: (C). Element e belongs to channel (e / inner) mod C: inner is the number of
//                pixels in plain memory, 1 where the channels lie last.
// One thread     VECS adjacent vec4's; the last one may reach past n, into the block's own padding.
// Traffic        x once, y once, w from the caches.
// Gradient       prelu_backward.wgsl        Host  engine/ops/prelu.ts        Twin  test/reference/prelu.ts
//
// @import common/channel_weight.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, channels: u32, inner: u32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    y[i + v] = select(weight(i, v) * x[i + v], x[i + v], x[i + v] > vec4f(0.0));
  }
}
