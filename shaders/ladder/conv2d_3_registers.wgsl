// conv2d_3_registers   y[b, p, o] = sum over the 9 taps t and channels i of x[b, p + t, i] w[o, t, i]
//
// Rung           a thread owns four pixels of a row by four channels: 8 loads of a vec4f feed 64 multiply-adds.
// Shapes         x: (B, H, W, I), w: (O, 3, 3, I), y: (B, H, W, O); I, O and W multiples of 4; stride 1, one pixel of zeros around x.
// One workgroup  owns 32 neighbouring blocks.
// Traffic        x 9 O / 4 times, w B H W / 4 times, y once.
// Host           bench/ladder/conv2d.ts

struct Params { B: u32, H: u32, W: u32, I: u32, O: u32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * grid.x + group.x) * 32u + lane;
  let I4 = params.I / 4u;
  let O4 = params.O / 4u;
  if (index >= params.B * params.H * params.W / 4u * O4) { return; }
  let o4 = index % O4;
  let pixel = index / O4 * 4u;                   // the first of four
  let column = pixel % params.W;
  let row = pixel / params.W % params.H;
  // @registers
  var sum: array<vec4f, 4>;                      // a pixel each
  for (var t = 0u; t < 9u; t++) {
    let r = row + t / 3u - 1u;                   // -1 wraps round to a number past H
    if (r >= params.H) { continue; }
    let c = vec4u(column, column + 1u, column + 2u, column + 3u) + t % 3u - 1u;
    let inside = c < vec4u(params.W);
    let start = select(vec4u(), ((pixel / params.W / params.H * params.H + r) * params.W + c) * I4, inside);
    let weight = (4u * o4 * 9u + t) * I4;
    for (var i = 0u; i < I4; i++) {
      let w0 = w[weight + i];
      let w1 = w[weight + 9u * I4 + i];
      let w2 = w[weight + 18u * I4 + i];
      let w3 = w[weight + 27u * I4 + i];
      // @unroll
      for (var p = 0u; p < 4u; p++) {
        let v = select(vec4f(), x[start[p] + i], inside[p]);
        sum[p] += vec4f(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
      }
    }
  }
  // @unroll
  for (var p = 0u; p < 4u; p++) { y[(pixel + p) * O4 + o4] = sum[p]; }
}
