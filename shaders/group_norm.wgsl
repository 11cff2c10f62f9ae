// group_norm     y = act(a[b, c] (x - mean[b, c]) + s[b, c]),  act = identity or z sigmoid(z)
//
// Shapes         x, y: (B, P, C) or (B, C, P) by the strides, affine: (B, 3, C) of a, s, mean; batch norm has one item of
//                it for all (item_stride 0).
// One thread     PIXELS neighbouring pixels of one unit of T (4 channels, or 1).
// Traffic        x once, y once.
// Numerics       x - mean first: a x + s' would cancel where the mean is large beside the spread.
// Gradient       group_norm_backward.wgsl        Host  engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts

alias T = vec4f;                 // vec4f or f32
const WORKGROUP: u32 = 64u;
const PIXELS: u32 = 4u;          // pixels a thread: 4 on software adapters, where a, s cost as much as an x to load
const SILU: bool = false;

struct Params { items: u32, pixels: u32, units: u32, pixel_stride: u32, unit_stride: u32, item_stride: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       affine: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * WORKGROUP + lane;
  let blocks = (params.pixels + PIXELS - 1u) / PIXELS;
  if (at >= params.items * blocks * params.units) { return; }
  let unit = at % params.units;
  let b = at / params.units / blocks;
  let pixel = (at / params.units % blocks) * PIXELS;
  let a = affine[b * params.item_stride + unit];
  let s = affine[b * params.item_stride + params.units + unit];
  let mean = affine[b * params.item_stride + 2u * params.units + unit];
  let i = b * params.pixels * params.units + pixel * params.pixel_stride + unit * params.unit_stride;

  // @unroll
  for (var p = 0u; p < PIXELS; p++) {
    if (pixel + p < params.pixels) {
      var z = a * (x[i + p * params.pixel_stride] - mean) + s;
      if (SILU) { z = z / (1.0 + exp(-z)); }
      y[i + p * params.pixel_stride] = z;
    }
  }
}
