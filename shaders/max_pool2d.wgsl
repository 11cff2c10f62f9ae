// max_pool2d     y = maximum of x over a window,  index = the first pixel (row by row) that has it
//
// Shapes         x: (B, H, W, C), y, index: (B, OH, OW, C). index is iy W + ix in the image.
// One thread     one output of T.
// Traffic        x once a window, y and index once.
// Gradient       max_pool2d_backward.wgsl        Host  engine/ops/pool.ts        Twin  test/reference/pool.ts
//
// @import common/window.wgsl

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)
alias I = vec4u;                 // vec4u or u32, as T

struct Params { items: u32, height: u32, width: u32, out_height: u32, out_width: u32, units: u32, kernel: u32, stride: u32, padding: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<storage, read_write> index: array<I>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  if (at >= params.items * params.out_height * params.out_width * params.units) { return; }
  let unit = at % params.units;
  let ox = at / params.units % params.out_width;
  let oy = at / (params.units * params.out_width) % params.out_height;
  let b = at / (params.units * params.out_width * params.out_height);

  let first_x = first_pixel(ox);
  let end_x = end_pixel(ox, params.width);
  var best = I(first_pixel(oy) * params.width + first_x);
  var most = x[(b * params.height * params.width + first_pixel(oy) * params.width + first_x) * params.units + unit];
  for (var iy = first_pixel(oy); iy < end_pixel(oy, params.height); iy++) {
    for (var ix = first_x; ix < end_x; ix++) {
      let pixel = iy * params.width + ix;
      let v = x[(b * params.height * params.width + pixel) * params.units + unit];
      best = select(best, I(pixel), v > most);
      most = select(most, v, v > most);
    }
  }
  y[at] = most;
  index[at] = best;
}
