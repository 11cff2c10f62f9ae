// bilinear_backward   dx = sum of dy over the outputs that read this pixel, with their weights
//
// Shapes         dx: (B, H, W, C), dy: (B, OH, OW, C).
// One thread     one input of T: it gathers, so the order of the sum is fixed and no atomics are needed.
// Traffic        dy some four times, dx once.
// Host           engine/ops/interpolate.ts        Twin  test/reference/interpolate.ts
//
// @import common/bilinear.wgsl

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)

struct Params { items: u32, height: u32, width: u32, out_height: u32, out_width: u32, units: u32 }

@group(0) @binding(0) var<storage, read>       dy: array<T>;
@group(0) @binding(1) var<storage, read_write> dx: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

/** How much of input pixel i output o reads: 1 at distance 0, 0 from distance 1 on. */
fn weight(o: u32, i: u32, size: u32, out_size: u32) -> f32 {
  return max(0.0, 1.0 - abs(source(o, size, out_size) - f32(i)));
}

/** Outputs [x, y) with every one that reads pixel i, and a few more, whose weight is 0. */
fn readers(i: u32, size: u32, out_size: u32) -> vec2u {
  let step = f32(out_size) / f32(size);
  let low = max(floor((f32(i) - 0.5) * step - 0.5), 0.0);
  let high = ceil((f32(i) + 1.5) * step - 0.5) + 1.0;       // one more than needed: rounding must not lose a reader
  return vec2u(u32(low), min(u32(high), out_size));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  if (at >= params.items * params.height * params.width * params.units) { return; }
  let unit = at % params.units;
  let ix = at / params.units % params.width;
  let iy = at / (params.units * params.width) % params.height;
  let b = at / (params.units * params.width * params.height);

  let rows = readers(iy, params.height, params.out_height);
  let columns = readers(ix, params.width, params.out_width);
  var sum = T();
  for (var oy = rows.x; oy < rows.y; oy++) {
    var row = T();
    for (var ox = columns.x; ox < columns.y; ox++) {
      let o = ((b * params.out_height + oy) * params.out_width + ox) * params.units + unit;
      row += weight(ox, ix, params.width, params.out_width) * dy[o];
    }
    sum += weight(oy, iy, params.height, params.out_height) * row;
  }
  dx[at] = sum;
}
