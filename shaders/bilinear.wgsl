// bilinear       y = the four input pixels around (oy, ox), weighted by nearness
//
// Shapes         x: (B, H, W, C), y: (B, OH, OW, C).
// One thread     one output of T.
// Traffic        x four times an output, y once.
// Gradient       bilinear_backward.wgsl        Host  engine/ops/interpolate.ts        Twin  test/reference/interpolate.ts
//
// @import common/bilinear.wgsl

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)

struct Params { items: u32, height: u32, width: u32, out_height: u32, out_width: u32, units: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

fn pixel(b: u32, iy: u32, ix: u32, unit: u32) -> T {
  return x[((b * params.height + iy) * params.width + ix) * params.units + unit];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  if (at >= params.items * params.out_height * params.out_width * params.units) { return; }
  let unit = at % params.units;
  let ox = at / params.units % params.out_width;
  let oy = at / (params.units * params.out_width) % params.out_height;
  let b = at / (params.units * params.out_width * params.out_height);

  let sy = source(oy, params.height, params.out_height);
  let sx = source(ox, params.width, params.out_width);
  let y0 = u32(sy);
  let x0 = u32(sx);
  let y1 = min(y0 + 1u, params.height - 1u);
  let x1 = min(x0 + 1u, params.width - 1u);
  let fy = sy - f32(y0);
  let fx = sx - f32(x0);
  let above = (1.0 - fx) * pixel(b, y0, x0, unit) + fx * pixel(b, y0, x1, unit);
  let below = (1.0 - fx) * pixel(b, y1, x0, unit) + fx * pixel(b, y1, x1, unit);
  y[at] = (1.0 - fy) * above + fy * below;
}
