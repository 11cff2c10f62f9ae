// group_norm_whole   y = act(a[b, c] (x - mean) + s[b, c]) with the statistics it needs: group norm in one kernel, for GPUs
//
//                a = rstd w (1 + scale),  s = bias (1 + scale) + shift,  act = identity or z sigmoid(z)
//
// Shapes         x, y: (B, P, C) or (B, C, P) by their strides, each its own; w, bias: (C), modulation: (B, 2, C) of scale and
//                shift, stats: (B, G) of (mean, variance), affine: (B, 3, C) of a, s, mean, for the way back.
// One workgroup  owns one group of one item. Larger groups than a workgroup walks in time take the steps of group_norm_merge.wgsl.
// One thread     walks elements lane, lane + WORKGROUP, ... of the group (common/group_walk.wgsl).
// PAIR           x is two tensors, channels innermost: the first params.first channels are x's, the others x2's. They are joined
//                on the way: all of them, (B, P, C), follow behind y, from element params.behind on.
// Traffic        x three times, of which a GPU's cache serves two; y once.
// Numerics       the mean first, then the squares about it: nothing cancels. Trees of fixed shape: same input, same bits.
// Gradient       group_norm_whole_backward.wgsl        Host  engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts
//
// @import common/reduce.wgsl
// @import common/group_walk.wgsl

const WORKGROUP: u32 = 256u;
const WIDTH: u32 = 4u;           // channels of a group
const LAST: bool = true;         // channels lie innermost in x
const SILU: bool = false;
const MODULATED: bool = false;   // true: modulation is read
const PAIR: bool = false;        // true: x2 is read

struct Params { batch: u32, groups: u32, pixels: u32, eps: f32, x_strides: vec2u, y_strides: vec2u, first: u32, behind: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       x2: array<f32>;
@group(0) @binding(2) var<storage, read>       w: array<f32>;
@group(0) @binding(3) var<storage, read>       bias: array<f32>;
@group(0) @binding(4) var<storage, read>       modulation: array<f32>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> affine: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;
@group(0) @binding(8) var<uniform>             params: Params;

var<workgroup> map: array<vec2f, WIDTH>;         // a and s of the group's channels

/** Element i of group `at`, which begins at `near`. */
fn value(at: u32, near: u32, i: u32) -> f32 {
  if (!PAIR) { return x[near + place_of(i, params.x_strides)]; }
  let place = pair_place(at, i);
  if (place.x == 0u) { return x[place.y]; }
  return x2[place.y];
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = group.y * grid.x + group.x;
  if (at >= params.batch * params.groups) { return; }   // the same for all threads, so the barriers below are safe
  let count = params.pixels * WIDTH;
  let near = group_start(at, params.x_strides);

  var total = 0.0;
  for (var i = lane; i < count; i += WORKGROUP) {
    let v = value(at, near, i);
    if (PAIR) { y[params.behind + near + place_of(i, params.x_strides)] = v; }
    total += v;
  }
  let mean = workgroup_sum(total, lane) / f32(count);

  var squares = 0.0;
  for (var i = lane; i < count; i += WORKGROUP) {
    let d = value(at, near, i) - mean;
    squares += d * d;
  }
  let variance = workgroup_sum(squares, lane) / f32(count);
  let rstd = 1.0 / sqrt(variance + params.eps);
  if (lane == 0u) { stats[at] = vec2f(mean, variance); }

  let channels = params.groups * WIDTH;
  let b = at / params.groups;
  for (var k = lane; k < WIDTH; k += WORKGROUP) {
    let c = at % params.groups * WIDTH + k;
    var a = rstd * w[c];
    var s = bias[c];
    if (MODULATED) {
      let by = 1.0 + modulation[b * 2u * channels + c];
      a *= by;
      s = s * by + modulation[(b * 2u + 1u) * channels + c];
    }
    map[k] = vec2f(a, s);
    affine[b * 3u * channels + c] = a;
    affine[(b * 3u + 1u) * channels + c] = s;
    affine[(b * 3u + 2u) * channels + c] = mean;
  }
  workgroupBarrier();

  let far = group_start(at, params.y_strides);
  for (var i = lane; i < count; i += WORKGROUP) {
    let here = map[channel_of(i)];
    var z = here.x * (value(at, near, i) - mean) + here.y;
    if (SILU) { z = z / (1.0 + exp(-z)); }
    y[far + place_of(i, params.y_strides)] = z;
  }
}
