// winograd_weight    u[t] = G w GT,  for every pair of channels
//
// Shapes         w: (O, 3, 3, I)   u: (TILE TILE, O, I)     I a multiple of 4
// FLIPPED        w turned by half a turn, for the way back
// One thread     one output channel, 4 input channels.
// Traffic        w once, u once: TILE TILE / 9 times w.
// Gradient       winograd_backward_weight.wgsl        Host  engine/ops/winograd.ts
//
// @import common/winograd.wgsl

const TILE: u32 = 6u;            // 4 for F(2), 6 for F(4)
const FLIPPED: bool = false;

struct Params { O: u32, I: u32 }

@group(0) @binding(0) var<storage, read>       w: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (group.y * grid.x + group.x) * 64u + lane;
  let vecs = params.I / 4u;
  let plane = params.O * vecs;
  if (id >= plane) { return; }

  // @registers
  var g: array<vec4f, 9>;
  // @unroll
  for (var tap = 0u; tap < 9u; tap++) {
    g[tap] = w[(id / vecs * 9u + select(tap, 8u - tap, FLIPPED)) * vecs + id % vecs];
  }
  // @unroll
  for (var i = 0u; i < TILE; i++) {
    let e0 = times_g(i, g[0], g[3], g[6]);
    let e1 = times_g(i, g[1], g[4], g[7]);
    let e2 = times_g(i, g[2], g[5], g[8]);
    // @unroll
    for (var j = 0u; j < TILE; j++) { u[(i * TILE + j) * plane + id] = times_g(j, e0, e1, e2); }
  }
}
