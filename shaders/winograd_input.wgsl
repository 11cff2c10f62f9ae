// winograd_input    v[t] = BT d B,  d = the TILE x TILE pixels of x that a tile of outputs meets,  t = row TILE + column
//
// Shapes         x: (B, H, W, C)   v: (TILE TILE, count, C)     C a multiple of 4
//                count tiles of outputs, from the tile `first` on. A tile's outputs begin at (TILE - 2) times its row and
//                column; its pixels `pad` before them. Neighbours share two rows or columns of pixels.
// One thread     one tile of 4 channels; channels run fastest.
// Traffic        x (TILE / (TILE - 2))^2 times, v once.
// Numerics       f32. Pixels outside of x are zeros.
// Gradient       conv2d's runs this kernel on dy, with the padding of the way back     Host  engine/ops/winograd.ts
//
// @import common/winograd.wgsl
// @import common/winograd_tile.wgsl

const TILE: u32 = 6u;            // 4 for F(2), 6 for F(4)

struct Params {
  x_size: vec2u,                 // height, width
  pad: vec2u,                    // top, left; "negative" ones wrap
  tiles: vec2u,
  C: u32, first: u32, count: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (group.y * grid.x + group.x) * 64u + lane;
  let vecs = params.C / 4u;
  if (id >= params.count * vecs) { return; }
  let tile = tile_of(id / vecs);
  let top = tile.row * (TILE - 2u) - params.pad.x;
  let left = tile.col * (TILE - 2u) - params.pad.y;

  // @registers
  var d: array<vec4f, TILE * TILE>;
  // @unroll
  for (var r = 0u; r < TILE; r++) {
    let start = (tile.image * params.x_size.x + top + r) * params.x_size.y;
    // @unroll
    for (var s = 0u; s < TILE; s++) {
      let ok = (top + r < params.x_size.x) & (left + s < params.x_size.y);
      d[r * TILE + s] = select(vec4f(), x[select(0u, start + left + s, ok) * vecs + id % vecs], ok);
    }
  }

  // @registers
  var e: array<vec4f, TILE * TILE>;              // BT d
  // @unroll
  for (var s = 0u; s < TILE; s++) {
    // @unroll
    for (var i = 0u; i < TILE; i++) {
      e[i * TILE + s] = times_bt(i, d[s], d[TILE + s], d[2u * TILE + s], d[3u * TILE + s],
                                 d[4u % TILE * TILE + s], d[5u % TILE * TILE + s]);
    }
  }
  let plane = params.count * vecs;
  // @unroll
  for (var i = 0u; i < TILE; i++) {
    // @unroll
    for (var j = 0u; j < TILE; j++) {
      v[(i * TILE + j) * plane + id] = times_bt(j, e[i * TILE], e[i * TILE + 1u], e[i * TILE + 2u], e[i * TILE + 3u],
                                                e[i * TILE + 4u % TILE], e[i * TILE + 5u % TILE]);
    }
  }
}
