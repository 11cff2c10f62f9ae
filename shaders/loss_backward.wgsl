// loss_backward  da = scale * dy * (a - b), or scale * dy * sign(a - b)
//
// Shapes         a, b, da: (n), same order in memory; dy: (1), read on the GPU.
// One thread     VECS adjacent vec4's; the last one may reach past n, into the block's own padding.
// Traffic        a, b once, da once.
// Gradient of    loss.wgsl        Host  engine/ops/loss.ts        Twin  test/reference/loss.ts

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs
const SQUARED: bool = true;      // else the absolute value

struct Params { n: u32, scale: f32 }

@group(0) @binding(0) var<storage, read>       a: array<vec4f>;
@group(0) @binding(1) var<storage, read>       b: array<vec4f>;
@group(0) @binding(2) var<storage, read>       dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> da: array<vec4f>;
@group(0) @binding(4) var<uniform>             params: Params;

fn slope(d: vec4f) -> vec4f {
  if (SQUARED) { return d; }
  return sign(d);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  let factor = params.scale * dy[0];
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    da[i + v] = factor * slope(a[i + v] - b[i + v]);
  }
}
