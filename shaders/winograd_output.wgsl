// winograd_output    y[o] = AT p A  (+ bias),  for the (TILE - 2)^2 outputs of a tile,  p[t] = u[t] v[t]
//
// Shapes         p: (TILE TILE, count, C)   bias: (C)   y: (B, H, W, C)     C a multiple of 4
//                count tiles, from the tile `first` on; outputs past the image are left out.
// One thread     one tile of 4 channels; channels run fastest.
// Traffic        p once, y once.
// Numerics       f32. The whole convolution against float64, max|got - want| / max|want|, values in +-0.5, 16 to 768 channels,
//                64 to 32,768 pixels (lavapipe, 2026-11-24), the largest of nine each:
//                y, dx: direct 2.7e-6, F(2) 8.1e-7, F(4) 4.0e-6     dw: direct 1.3e-6, F(2) 2.7e-6, F(4) 8.4e-6
//                test/ops/winograd.test.ts allows F(2) 4e-6 and F(4) 1e-5.
// Gradient       winograd_backward_output.wgsl        Host  engine/ops/winograd.ts        Twin  test/reference/conv2d.ts
//
// @import common/winograd.wgsl
// @import common/winograd_tile.wgsl

const TILE: u32 = 6u;            // 4 for F(2), 6 for F(4)
const BIAS: bool = false;

struct Params {
  y_size: vec2u,                 // height, width
  tiles: vec2u,
  C: u32, first: u32, count: u32,
}

@group(0) @binding(0) var<storage, read>       p: array<vec4f>;
@group(0) @binding(1) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (group.y * grid.x + group.x) * 64u + lane;
  let vecs = params.C / 4u;
  let plane = params.count * vecs;
  if (id >= plane) { return; }
  let tile = tile_of(id / vecs);
  let top = tile.row * (TILE - 2u);
  let left = tile.col * (TILE - 2u);

  // @registers
  var e: array<vec4f, (TILE - 2u) * TILE>;       // AT p
  // @unroll
  for (var s = 0u; s < TILE; s++) {
    let p0 = p[s * plane + id];
    let p1 = p[(TILE + s) * plane + id];
    let p2 = p[(2u * TILE + s) * plane + id];
    let p3 = p[(3u * TILE + s) * plane + id];
    var p4 = p0;
    var p5 = p0;
    if (TILE == 6u) {
      p4 = p[(4u * TILE + s) * plane + id];
      p5 = p[(5u * TILE + s) * plane + id];
    }
    // @unroll
    for (var i = 0u; i < TILE - 2u; i++) { e[i * TILE + s] = times_at(i, p0, p1, p2, p3, p4, p5); }
  }

  var add = vec4f();
  if (BIAS) { add = bias[id % vecs]; }
  // @unroll
  for (var i = 0u; i < TILE - 2u; i++) {
    let start = (tile.image * params.y_size.x + top + i) * params.y_size.y + left;
    // @unroll
    for (var j = 0u; j < TILE - 2u; j++) {
      if (top + i < params.y_size.x && left + j < params.y_size.y) {
        y[(start + j) * vecs + id % vecs] = add +
          times_at(j, e[i * TILE], e[i * TILE + 1u], e[i * TILE + 2u], e[i * TILE + 3u],
                   e[i * TILE + 4u % TILE], e[i * TILE + 5u % TILE]);
      }
    }
  }
}
