// avg_pool2d     y = sum of x over a window / kernel^2: pixels of the padding count as 0
//
// Shapes         x: (B, H, W, C), y: (B, OH, OW, C).
// One thread     one output of T.
// Traffic        x once a window, y once.
// Gradient       avg_pool2d_backward.wgsl        Host  engine/ops/pool.ts        Twin  test/reference/pool.ts
//
// @import common/window.wgsl

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)

struct Params { items: u32, height: u32, width: u32, out_height: u32, out_width: u32, units: u32, kernel: u32, stride: u32, padding: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

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
  var sum = T();
  for (var iy = first_pixel(oy); iy < end_pixel(oy, params.height); iy++) {
    for (var ix = first_x; ix < end_x; ix++) {
      sum += x[((b * params.height + iy) * params.width + ix) * params.units + unit];
    }
  }
  y[at] = sum / f32(params.kernel * params.kernel);
}
