// winograd_backward_weight    dw = GT du G,  du[t] = sum over tiles of z[t] v[t]
//
// Shapes         du: (TILE TILE, O, I)   dw: (O, 3, 3, I)     I a multiple of 4
// One thread     one output channel, 4 input channels.
// Traffic        du once, dw once.
// Forward        winograd_weight.wgsl        Host  engine/ops/winograd.ts
//
// @import common/winograd.wgsl

const TILE: u32 = 6u;            // 4 for F(2), 6 for F(4)

struct Params { O: u32, I: u32 }

@group(0) @binding(0) var<storage, read>       du: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (group.y * grid.x + group.x) * 64u + lane;
  let vecs = params.I / 4u;
  let plane = params.O * vecs;
  if (id >= plane) { return; }

  // @registers
  var e: array<vec4f, 3u * TILE>;                // GT du
  // @unroll
  for (var s = 0u; s < TILE; s++) {
    let d0 = du[s * plane + id];
    let d1 = du[(TILE + s) * plane + id];
    let d2 = du[(2u * TILE + s) * plane + id];
    let d3 = du[(3u * TILE + s) * plane + id];
    var d4 = d0;
    var d5 = d0;
    if (TILE == 6u) {
      d4 = du[(4u * TILE + s) * plane + id];
      d5 = du[(5u * TILE + s) * plane + id];
    }
    // @unroll
    for (var i = 0u; i < 3u; i++) { e[i * TILE + s] = times_gt(i, d0, d1, d2, d3, d4, d5); }
  }
  // @unroll
  for (var i = 0u; i < 3u; i++) {
    // @unroll
    for (var j = 0u; j < 3u; j++) {
      dw[(id / vecs * 9u + i * 3u + j) * vecs + id % vecs] =
        times_gt(j, e[i * TILE], e[i * TILE + 1u], e[i * TILE + 2u], e[i * TILE + 3u],
                 e[i * TILE + 4u % TILE], e[i * TILE + 5u % TILE]);
    }
  }
}
