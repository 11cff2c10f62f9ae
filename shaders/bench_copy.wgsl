// bench_copy     y = x: what an elementwise kernel can reach on this adapter, in the form of add.wgsl
//
// Shapes         x, y: (n), same order in memory.
// One thread     VECS adjacent vec4's; the last one may reach past n, into the block's own padding.
// Traffic        x once, y once.
// Host           bench/ceilings.ts

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) { y[i + v] = x[i + v]; }
}
