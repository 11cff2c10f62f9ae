// prelu_backward dx = dy where x > 0, else w[c] dy;    part = 0 where x > 0, else dy x: its sum over all but c is dw
//
// Shapes         x, dy, dx, part: (n) in memory order; w: (C), see prelu.wgsl.
// One thread     VECS adjacent vec4's; the last one may reach past n, into the block's own padding.
// Traffic        x, dy once, dx, part once.
// Gradient of    prelu.wgsl        Host  engine/ops/prelu.ts        Twin  test/reference/prelu.ts
//
// @import common/channel_weight.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, channels: u32, inner: u32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       w: array<vec4f>;
@group(0) @binding(2) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> part: array<vec4f>;
@group(0) @binding(5) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    let positive = x[i + v] > vec4f(0.0);
    let g = dy[i + v];
    dx[i + v] = select(weight(i, v) * g, g, positive);
    part[i + v] = select(g * x[i + v], vec4f(0.0), positive);
  }
}
