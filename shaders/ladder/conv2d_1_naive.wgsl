// conv2d_1_naive   y[b, p, o] = sum over the 9 taps t and channels i of x[b, p + t, i] w[o, t, i]
//
// Rung           one thread an element, as in the formula: two scalar loads for every multiply-add.
// Shapes         x: (B, H, W, I), w: (O, 3, 3, I), y: (B, H, W, O): channels last; stride 1, one pixel of zeros around x.
// One workgroup  owns 64 neighbouring elements of y.
// Traffic        x 9 O times, w B H W times, y once.
// Host           bench/ladder/conv2d.ts

struct Params { B: u32, H: u32, W: u32, I: u32, O: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * grid.x + group.x) * 64u + lane;
  if (index >= params.B * params.H * params.W * params.O) { return; }
  let o = index % params.O;
  let pixel = index / params.O;
  let column = pixel % params.W;
  let row = pixel / params.W % params.H;
  var sum = 0.0;
  for (var t = 0u; t < 9u; t++) {
    let r = row + t / 3u - 1u;                   // -1 wraps round to a number past H
    let c = column + t % 3u - 1u;
    if (r >= params.H || c >= params.W) { continue; }
    let start = (pixel / params.W / params.H * params.H + r) * params.W + c;
    for (var i = 0u; i < params.I; i++) { sum += x[start * params.I + i] * w[(o * 9u + t) * params.I + i]; }
  }
  y[index] = sum;
}
