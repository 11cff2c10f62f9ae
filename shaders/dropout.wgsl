// dropout        y_i = scale x_i where u_i >= p, else 0,    u_i the uniform number of key and place i
//
// Shapes         x, y: (n), same order in memory. The mask belongs to places in memory, so it depends on the layout.
// One thread     VECS adjacent vec4's, each with one Philox block: counter (i, 0, 0, 0).
// Traffic        x once, y once; the mask is never stored.
// Numerics       the same u as random_uniform.wgsl, bit for bit on every adapter.
// Gradient       the same kernel with the same key, from dy to dx
// Host           engine/ops/dropout.ts        Twin  test/reference/dropout.ts
//
// @import common/philox.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, p: f32, key: vec2u, scale: f32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

fn kept(x: vec4f, i: u32) -> vec4f {
  let word = philox4x32(vec4u(i, 0u, 0u, 0u), params.key);
  let u = vec4f(to_uniform(word.x), to_uniform(word.y), to_uniform(word.z), to_uniform(word.w));
  return select(vec4f(0.0), params.scale * x, u >= vec4f(params.p));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    y[i + v] = kept(x[i + v], i + v);
  }
}
