// nearest2_backward   dx[iy, ix] = the sum of the four dy that copy it
//
// Shapes         dx: (B, H, W, C), dy: (B, 2 H, 2 W, C).
// One thread     one input of T.
// Traffic        dy once, dx once.
// Host           engine/ops/interpolate.ts        Twin  test/reference/interpolate.ts

alias T = vec4f;                 // vec4f for four channels at a time, f32 for plain x (then B stands for B C, C for 1)

struct Params { items: u32, height: u32, width: u32, units: u32 }

@group(0) @binding(0) var<storage, read>       dy: array<T>;
@group(0) @binding(1) var<storage, read_write> dx: array<T>;
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
  dx[at] = (dy[o] + dy[o + right]) + (dy[o + down] + dy[o + down + right]);
}
