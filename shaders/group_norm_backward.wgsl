// group_norm_backward   dx = a d + u (x - mean) + v,  d = dy act'(a (x - mean) + s)
//
// Shapes         x, dy, dx: (B, P, C) or (B, C, P) by the strides, affine: (B, 3, C) of a, s, mean, uv: (B, 2, C); batch
//                norm has one item of both for all (item_stride, uv_stride 0).
// One thread     PIXELS neighbouring pixels of one unit of T (4 channels, or 1).
// Traffic        x, dy once, dx once.
// Host           engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts

alias T = vec4f;                 // vec4f or f32
const WORKGROUP: u32 = 64u;
const PIXELS: u32 = 4u;          // pixels a thread: 4 on software adapters, where a, s cost as much as an x to load
const SILU: bool = false;

struct Params { items: u32, pixels: u32, units: u32, pixel_stride: u32, unit_stride: u32, item_stride: u32, uv_stride: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       dy: array<T>;
@group(0) @binding(2) var<storage, read>       affine: array<T>;
@group(0) @binding(3) var<storage, read>       uv: array<T>;
@group(0) @binding(4) var<storage, read_write> dx: array<T>;
@group(0) @binding(5) var<uniform>             params: Params;

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
  let u = uv[b * params.uv_stride + unit];
  let v = uv[b * params.uv_stride + params.units + unit];
  let i = b * params.pixels * params.units + pixel * params.pixel_stride + unit * params.unit_stride;

  // @unroll
  for (var p = 0u; p < PIXELS; p++) {
    if (pixel + p < params.pixels) {
      let here = x[i + p * params.pixel_stride] - mean;
      var d = dy[i + p * params.pixel_stride];
      if (SILU) {
        let z = a * here + s;
        let sigmoid = 1.0 / (1.0 + exp(-z));
        d *= sigmoid * (1.0 + z * (1.0 - sigmoid));
      }
      dx[i + p * params.pixel_stride] = a * d + (u * here + v);
    }
  }
}
