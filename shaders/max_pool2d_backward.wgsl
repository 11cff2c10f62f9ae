// max_pool2d_backward   dx = sum of dy over the windows whose maximum this pixel is
//
// Shapes         dx: (B, H, W, C), dy, index: (B, OH, OW, C). index is iy W + ix in the image.
// One thread     one input of T: it gathers, so the order of the sum is fixed and no atomics are needed.
// Traffic        dy, index once a window, dx once.
// Host           engine/ops/pool.ts        Twin  test/reference/pool.ts
//
// @import common/window.wgsl

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)
alias I = vec4u;                 // vec4u or u32, as T

struct Params { items: u32, height: u32, width: u32, out_height: u32, out_width: u32, units: u32, kernel: u32, stride: u32, padding: u32 }

@group(0) @binding(0) var<storage, read>       dy: array<T>;
@group(0) @binding(1) var<storage, read>       index: array<I>;
@group(0) @binding(2) var<storage, read_write> dx: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 64u + lane;
  if (at >= params.items * params.height * params.width * params.units) { return; }
  let unit = at % params.units;
  let ix = at / params.units % params.width;
  let iy = at / (params.units * params.width) % params.height;
  let b = at / (params.units * params.width * params.height);

  let here = I(iy * params.width + ix);
  let first_x = first_window(ix);
  let end_x = end_window(ix, params.out_width);
  var sum = T();
  for (var oy = first_window(iy); oy < end_window(iy, params.out_height); oy++) {
    for (var ox = first_x; ox < end_x; ox++) {
      let o = ((b * params.out_height + oy) * params.out_width + ox) * params.units + unit;
      sum += select(T(), dy[o], index[o] == here);
    }
  }
  dx[at] = sum;
}
