// nearest2       y[2 iy + .., 2 ix + ..] = x[iy, ix]: every pixel four times
//
// Shapes         x: (B, H, W, C), y: (B, 2 H, 2 W, C).
// One thread     one input of T and its four outputs.
// Traffic        x once, y once.
// Gradient       nearest2_backward.wgsl        Host  engine/ops/interpolate.ts        Twin  test/reference/interpolate.ts

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)

struct Params { items: u32, height: u32, width: u32, units: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  if (at >= params.items * params.height * params.width * params.units) { return; }
  let unit = at % params.units;
  let ix = at / params.units % params.width;
  let iy = at / (params.units * params.width) % params.height;
  let b = at / (params.units * params.width * params.height);

  let right = params.units;
  let down = 2u * params.width * params.units;
  let o = ((b * 2u * params.height + 2u * iy) * 2u * params.width + 2u * ix) * params.units + unit;
  let v = x[at];
  y[o] = v;
  y[o + right] = v;
  y[o + down] = v;
  y[o + down + right] = v;
}
