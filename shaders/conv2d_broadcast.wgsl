// conv2d_broadcast   y[b, o, :] = sum_tap w[:, tap, :] x[b, pixel(o, tap), :]  (+ bias)     any kernel, stride, padding
//                    for software adapters: matmul_broadcast with pixels for N and taps x channels for K, no im2col
//
// Forward            pixel = o stride - pad + tap                                   w: (M, kh, kw, K)
// TRANSPOSED         pixel = (o + pad - tap) / stride where that is whole           w: (K, kh, kw, M)
//                    conv_transpose2d, and the input gradient of conv2d: x is dy, y is dx, w as it is. Output pixels
//                    of one remainder r = o % stride meet the same taps, (r + pad) % stride, + stride, ...:
//                    grid z = r, and within one r the gather is dense again.
//
// Shapes             x: (B, Hx, Wx, K)   y: (B, Hy, Wy, M)   bias: (M)     K, M multiples of 4
//                    Hy, Wy are the caller's, right and bottom padding follow: padding may be asymmetric.
// One workgroup      is one subgroup of SG lanes and owns RM channels of M by 4 * CN * SG output pixels.
// One thread         owns 4 * CN pixels: it loads their channels, and one row (or vec4f) of w for all by broadcast or swap.
// Traffic            x taps * M / RM times, w N / (4 CN SG) times, y once.
// Numerics           f32, taps outside, channels inside, in order. Pixels in the padding load pixel 0 and count as 0.
// Gradient           dx: itself, TRANSPOSED. dw: conv2d_backward_weight_broadcast.wgsl
// Host               engine/ops/convolution.ts

enable subgroups;

// @import common/conv_pixels.wgsl

const SG: u32 = 4u;              // lanes of a subgroup
const RM: u32 = 16u;             // channels of M a workgroup, a multiple of 4
const CN: u32 = 1u;              // four pixels a thread, so many times
const KU: u32 = 2u;              // channels of K a turn
const TRANSPOSED: bool = false;
const WRITTEN_OUT: bool = true;  // sums in variables; else in arrays, and a loop stores them: a fraction of the code
const SWAP: bool = false;        // SG 4, RM 16: w reaches the other lanes by swaps, in another order in each lane
alias X_VEC = vec2f;             // one load of x: KU wide
alias W_VEC = vec2f;             // one load of w: KU wide, or vec4f if TRANSPOSED
const W_WIDTH: u32 = 2u;         // elements of W_VEC

const MV: u32 = RM / 4u;                         // TRANSPOSED: vec4f's of w for one k,
const LOADS: u32 = (MV * KU + SG - 1u) / SG;     // and loads that bring those of KU k's, one a lane
const ROWS: u32 = (RM + SG - 1u) / SG;           // forward: loads that bring KU k's of RM rows, one a lane

struct Params {
  x_size: vec2u, y_size: vec2u,  // height, width
  kernel: vec2u, stride: vec2u,
  pad: vec2u,                    // top, left
  B: u32, K: u32, M: u32,
  has_bias: u32,                 // 1, or 0: the binding is another tensor
}

@group(0) @binding(0) var<storage, read>       x: array<X_VEC>;
@group(0) @binding(1) var<storage, read>       w: array<W_VEC>;
@group(0) @binding(2) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform>             params: Params;

// A whole vec4f, whatever the width.
fn wide(v: W_VEC) -> vec4f { return vec4f(v[0], v[1], v[2u % W_WIDTH], v[3u % W_WIDTH]); }

fn bias_at(m: u32) -> vec4f {
  if (params.has_bias == 0u) { return vec4f(); }
  return bias[m / 4u];
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let part = part_of(group.z);
  let N = params.B * part.size.x * part.size.y;
  let tile = group.y * grid.x + group.x;
  let m_tiles = (params.M + RM - 1u) / RM;
  let m0 = tile % m_tiles * RM;
  let n_tile = tile / m_tiles * (4u * CN * SG);
  if (n_tile >= N) { return; }
  let n0 = n_tile + lane * (4u * CN);
  // @registers
  var pixels: array<Pixels, CN>;                 // past the edge the last one again
  // @unroll
  for (var j = 0u; j < CN; j++) {
    pixels[j] = pixels_of(min(vec4u(n0 + 4u * j) + vec4u(0u, 1u, 2u, 3u), vec4u(N - 1u)), part);
  }
  let taps = params.kernel.x * params.kernel.y;
  // @registers
  var lane_w: array<u32, ROWS + LOADS>;          // where this lane reads w at tap 0, in W_VEC's
  if (TRANSPOSED) {
    // @unroll
    for (var i = 0u; i < LOADS; i++) {
      let v = SG * i + lane;                     // vec4f v % MV of the k after v / MV
      lane_w[i] = (v / MV % KU * taps * params.M + min(m0 + v % MV * 4u, params.M - 4u)) / 4u;
    }
  } else {
    // @unroll
    for (var i = 0u; i < ROWS; i++) { lane_w[i] = min(m0 + ROWS * lane + i, params.M - 1u) * taps * params.K / KU; }
  }
  let turns = params.K / KU;
  let tap_w = select(turns, params.M / 4u, TRANSPOSED);         // from tap to tap,
  let turn_w = select(1u, KU * taps * (params.M / 4u), TRANSPOSED);      // and from turn to turn
  let step = select(1, -1, TRANSPOSED);          // in x, from tap to tap
  // @registers
  // @registers WRITTEN_OUT
  var c: array<array<vec4f, MV * CN + 1u>, 4u>;  // c[e][g * CN + j]: channel m0 + 4g + e of pixels[j]; see matmul_broadcast
  var down = 0;
  for (var tap_row = part.first_tap.x; tap_row < params.kernel.x; tap_row += part.tap_step.x) {
    var right = 0;
    for (var tap_col = part.first_tap.y; tap_col < params.kernel.y; tap_col += part.tap_step.y) {
      // @registers
      var at_x: array<vec4u, CN>;
      // @registers
      var ok: array<vec4<bool>, CN>;
      // @unroll
      for (var j = 0u; j < CN; j++) {
        let row = vec4u(pixels[j].row + down);   // those before 0 become huge
        let col = vec4u(pixels[j].col + right);
        ok[j] = (row < vec4u(params.x_size.x)) & (col < vec4u(params.x_size.y));
        let place = (pixels[j].image * params.x_size.x + row) * params.x_size.y + col;
        at_x[j] = select(vec4u(), place, ok[j]) * (params.K / KU);
      }
      var at_w = (tap_row * params.kernel.y + tap_col) * tap_w;
      for (var turn = 0u; turn < turns; turn++) {
        // @registers
        var b: array<vec4f, CN * KU>;            // b[j * KU + t]: channel turn KU + t of pixels[j]
        // @unroll
        for (var j = 0u; j < CN; j++) {
          let v0 = select(X_VEC(), x[at_x[j][0] + turn], ok[j][0]);
          let v1 = select(X_VEC(), x[at_x[j][1] + turn], ok[j][1]);
          let v2 = select(X_VEC(), x[at_x[j][2] + turn], ok[j][2]);
          let v3 = select(X_VEC(), x[at_x[j][3] + turn], ok[j][3]);
          // @unroll
          for (var t = 0u; t < KU; t++) { b[j * KU + t] = vec4f(v0[t], v1[t], v2[t], v3[t]); }
        }
        // @registers
        var loaded: array<vec4f, ROWS + LOADS>;
        if (TRANSPOSED) {
          // @unroll
          for (var i = 0u; i < LOADS; i++) { loaded[i] = wide(w[lane_w[i] + at_w]); }
        } else {
          // @unroll
          for (var i = 0u; i < ROWS; i++) { loaded[i] = wide(w[lane_w[i] + at_w]); }
        }
        at_w += turn_w;
        // @unroll
        for (var i = 0u; i < RM; i++) {
          // @registers
          var a: array<f32, KU>;                 // a[t]: w of channel m0 + i (if SWAP: i ^ 4 lane), k = turn KU + t
          // @unroll
          for (var t = 0u; t < KU; t++) {
            if (TRANSPOSED) { a[t] = loaded[(t * MV + i / 4u) / SG][i % 4u]; } else { a[t] = loaded[i % ROWS][t]; }
            if (SWAP) {
              a[t] = subgroupShuffleXor(a[t], i / 4u % SG);
            } else if (TRANSPOSED) {
              a[t] = subgroupShuffle(a[t], (t * MV + i / 4u) % SG);
            } else {
              a[t] = subgroupShuffle(a[t], i / ROWS);
            }
          }
          // @unroll
          for (var j = 0u; j < CN; j++) {
            var sum = c[i % 4u][i / 4u * CN + j];
            // @unroll
            for (var f = 0u; f < 4u; f++) {      // a component to its end: its sum stays in a register
              // @unroll
              for (var t = 0u; t < KU; t++) { sum[f] = fma(b[j * KU + t][f], a[t], sum[f]); }
            }
            c[i % 4u][i / 4u * CN + j] = sum;
          }
        }
      }
      right += step;
    }
    down += step;
  }
  // @unroll WRITTEN_OUT
  for (var i = 0u; i < MV * CN; i++) {
    let m = m0 + 4u * select(i / CN, (i / CN) ^ lane, SWAP);
    let n = n0 + i % CN * 4u;
    if (m < params.M) {
      let more = bias_at(m);
      // @unroll
      for (var e = 0u; e < 4u; e++) {
        let sum = vec4f(c[0u][i][e], c[1u][i][e], c[2u][i][e], c[3u][i][e]);
        if (n + e < N) { y[(place_of(n + e, part) * params.M + m) / 4u] = sum + more; }
      }
    }
  }
}
