// winograd_backward_output    z[t] = A dy AT,  dy = the (TILE - 2)^2 gradients of a tile
//
// Shapes         dy: (B, H, W, C)   z: (TILE TILE, count, C)     C a multiple of 4
//                count tiles, from the tile `first` on.
// One thread     one tile of 4 channels; channels run fastest.
// Traffic        dy once, z once.
// Numerics       f32. Gradients past the image are zeros.
// Forward        winograd_output.wgsl        Host  engine/ops/winograd.ts
//
// @import common/winograd.wgsl
// @import common/winograd_tile.wgsl

const TILE: u32 = 6u;            // 4 for F(2), 6 for F(4)
const OUT: u32 = TILE - 2u;

struct Params {
  y_size: vec2u,                 // height, width
  tiles: vec2u,
  C: u32, first: u32, count: u32,
}

@group(0) @binding(0) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> z: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (group.y * grid.x + group.x) * 64u + lane;
  let vecs = params.C / 4u;
  let plane = params.count * vecs;
  if (id >= plane) { return; }
  let tile = tile_of(id / vecs);
  let top = tile.row * OUT;
  let left = tile.col * OUT;

  // @registers
  var d: array<vec4f, OUT * OUT>;
  // @unroll
  for (var r = 0u; r < OUT; r++) {
    let start = (tile.image * params.y_size.x + top + r) * params.y_size.y + left;
    // @unroll
    for (var s = 0u; s < OUT; s++) {
      let ok = (top + r < params.y_size.x) & (left + s < params.y_size.y);
      d[r * OUT + s] = select(vec4f(), dy[select(0u, start + s, ok) * vecs + id % vecs], ok);
    }
  }

  // @unroll
  for (var i = 0u; i < TILE; i++) {
    // @registers
    var e: array<vec4f, OUT>;                    // row i of A d
    // @unroll
    for (var s = 0u; s < OUT; s++) {
      e[s] = times_a(i, d[s], d[OUT + s], d[2u % OUT * OUT + s], d[3u % OUT * OUT + s]);
    }
    // @unroll
    for (var j = 0u; j < TILE; j++) {
      z[(i * TILE + j) * plane + id] = times_a(j, e[0], e[1], e[2u % OUT], e[3u % OUT]);
    }
  }
}
