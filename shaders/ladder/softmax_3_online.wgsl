// softmax_3_online   y[r, c] = exp(x[r, c] - m[r]) / s[r],  m = row maximum, s = row sum of exp(x - m)
//
// Rung           one thread a row, maximum and sum in one pass: when the maximum grows, what was summed so far shrinks by
//                exp(old - new) (Milakov and Gimelshein 2018). Four columns at a time, as a vec4f with four maxima.
// Shapes         x, y: (R, C), rows contiguous, C a multiple of 4.
// Traffic        x twice, y once; attention_2_online.wgsl is this idea without y.
// Host           bench/ladder/softmax.ts

struct Params { rows: u32, cols: u32 }           // cols in vec4f's

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 16u + lane;
  if (row >= params.rows) { return; }
  let first = row * params.cols;
  let end = first + params.cols;
  var most = x[first];
  var s = vec4f();
  for (var i = first; i < end; i++) {
    let higher = max(most, x[i]);
    s = s * exp(most - higher) + exp(x[i] - higher);
    most = higher;
  }
  let m = max(max(most.x, most.y), max(most.z, most.w));
  let r = 1.0 / dot(s, exp(most - m));
  for (var i = first; i < end; i++) { y[i] = exp(x[i] - m) * r; }
}
