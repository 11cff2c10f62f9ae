// group_norm_whole_backward   dx = a d + u (x - mean) + v (+ plus), and the sums per (b, c): one kernel, for GPUs
//
//                d = dy act'(a (x - mean) + s),  u = -rstd^2 sum(a d (x - mean)) / n,  v = -sum(a d) / n
//
// Shapes         x, plus, dx: (B, P, C) or (B, C, P) by x's strides, dy by y's; affine: (B, 3, C) of a, s, mean,
//                stats: (B, G) of (mean, variance), sums: (B, 2, C) of sum d and of sum d (x - mean) rstd.
// One workgroup  owns one group of one item.
// One thread     first walks the pixels of a channel: WORKGROUP / WIDTH threads share it and add up in order; where a group has
//                more channels than a workgroup threads, one walks several. Then elements as in group_norm_whole.wgsl.
// Traffic        x and dy twice, of which a GPU's cache serves one; plus and dx once.
// Numerics       sums of a channel by its threads in order, sums of the group by a tree: same input, same bits.
// Next           group_norm_backward_weight.wgsl        Host  engine/ops/group_norm.ts
//
// @import common/reduce.wgsl
// @import common/group_walk.wgsl

const WORKGROUP: u32 = 256u;
const WIDTH: u32 = 4u;           // channels of a group
const LAST: bool = true;         // channels lie innermost in x
const SILU: bool = false;
const PLUS: bool = false;        // true: plus is read
const PAIR: bool = false;        // true: dx is that of x's first params.first channels; behind it, from params.behind on, the others'

struct Params { batch: u32, groups: u32, pixels: u32, eps: f32, x_strides: vec2u, y_strides: vec2u, first: u32, behind: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       dy: array<f32>;
@group(0) @binding(2) var<storage, read>       affine: array<f32>;
@group(0) @binding(3) var<storage, read>       stats: array<vec2f>;
@group(0) @binding(4) var<storage, read>       plus: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;
@group(0) @binding(7) var<uniform>             params: Params;

const SHARED: u32 = max(WORKGROUP / WIDTH, 1u);  // threads of a channel

var<workgroup> map: array<vec2f, WIDTH>;         // a and s of the group's channels
var<workgroup> shares: array<vec2f, WORKGROUP>;

/** d at z = a (x - mean) + s. */
fn through(dy: f32, z: f32) -> f32 {
  if (!SILU) { return dy; }
  let sigmoid = 1.0 / (1.0 + exp(-z));
  return dy * sigmoid * (1.0 + z * (1.0 - sigmoid));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = group.y * grid.x + group.x;
  if (at >= params.batch * params.groups) { return; }   // the same for all threads, so the barriers below are safe
  let count = params.pixels * WIDTH;
  let near = group_start(at, params.x_strides);
  let far = group_start(at, params.y_strides);
  let channels = params.groups * WIDTH;
  let b = at / params.groups;
  let first = at % params.groups * WIDTH;
  let mean = stats[at].x;
  let rstd = 1.0 / sqrt(stats[at].y + params.eps);
  for (var k = lane; k < WIDTH; k += WORKGROUP) {
    map[k] = vec2f(affine[b * 3u * channels + first + k], affine[(b * 3u + 1u) * channels + first + k]);
  }
  workgroupBarrier();

  var total = vec2f();                           // this thread's share of the sums over the group
  for (var k0 = 0u; k0 < WIDTH; k0 += WORKGROUP) {
    let k = k0 + lane % WIDTH;
    var share = vec2f();
    if (lane / WIDTH < SHARED && k < WIDTH) {
      for (var p = lane / WIDTH; p < params.pixels; p += SHARED) {
        let d_x = x[near + p * params.x_strides.x + k * params.x_strides.y] - mean;
        let d = through(dy[far + p * params.y_strides.x + k * params.y_strides.y], map[k].x * d_x + map[k].y);
        share += vec2f(d, d * d_x);
      }
    }
    shares[lane] = share;
    workgroupBarrier();
    if (lane < WIDTH && k < WIDTH) {
      for (var t = 1u; t < SHARED; t++) { share += shares[lane + t * WIDTH]; }
      sums[b * 2u * channels + first + k] = share.x;
      sums[(b * 2u + 1u) * channels + first + k] = rstd * share.y;
      total += map[k].x * share;
    }
    workgroupBarrier();
  }
  let v = -workgroup_sum(total.x, lane) / f32(count);
  let u = -rstd * rstd * workgroup_sum(total.y, lane) / f32(count);

  for (var i = lane; i < count; i += WORKGROUP) {
    let place = near + place_of(i, params.x_strides);
    let here = map[channel_of(i)];
    let d_x = x[place] - mean;
    let d = through(dy[far + place_of(i, params.y_strides)], here.x * d_x + here.y);
    var value = here.x * d + (u * d_x + v);
    if (PLUS) { value += plus[place]; }
    let parted = pair_place(at, i);
    dx[select(place, parted.x * params.behind + parted.y, PAIR)] = value;
  }
}
