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
// One workgroup      is one subgroup of SG lanes and owns RM channels of M by 4 * SG output pixels.
// One thread         owns 4 pixels: it loads their channels, and one row (or vec4f) of w for all by broadcast.
// Traffic            x taps * M / RM times, w N / (4 SG) times, y once.
// Numerics           f32, taps outside, channels inside, in order. Pixels in the padding load pixel 0 and count as 0.
// Gradient           dx: itself, TRANSPOSED. dw: conv2d_backward_weight_broadcast.wgsl
// Host               engine/ops/gemm_plan.ts

enable subgroups;

const SG: u32 = 4u;              // lanes of a subgroup
const RM: u32 = 16u;             // channels of M a workgroup, a multiple of 4
const KU: u32 = 2u;              // channels of K a turn
const TRANSPOSED: bool = false;
const BIAS: bool = false;
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
}

@group(0) @binding(0) var<storage, read>       x: array<X_VEC>;
@group(0) @binding(1) var<storage, read>       w: array<W_VEC>;
@group(0) @binding(2) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform>             params: Params;

// A whole vec4f where w is read four wide; the other branch never calls it.
fn wide(v: W_VEC) -> vec4f { return vec4f(v[0], v[1], v[2u % W_WIDTH], v[3u % W_WIDTH]); }

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  // The output pixels of this z, (height, width) `size`, the taps that they meet, and where in x the first tap falls.
  var size = params.y_size;
  var remainder = vec2u();
  var first_tap = vec2u();
  var tap_step = vec2u(1u);
  if (TRANSPOSED) {
    remainder = vec2u(group.z / params.stride.y, group.z % params.stride.y);
    size = (params.y_size + params.stride - 1u - remainder) / params.stride;
    first_tap = (remainder + params.pad) % params.stride;
    tap_step = params.stride;
  }
  let N = params.B * size.x * size.y;

  let tile = group.y * grid.x + group.x;
  let m_tiles = (params.M + RM - 1u) / RM;
  let m0 = tile % m_tiles * RM;
  let n_tile = tile / m_tiles * (4u * SG);
  if (n_tile >= N) { return; }
  let n0 = n_tile + lane * 4u;

  // Four pixels a lane, past the edge the last one again; `row`, `col`: where tap (0, 0), or the first one, falls.
  let n = min(vec4u(n0) + vec4u(0u, 1u, 2u, 3u), vec4u(N - 1u));
  let image = n / (size.x * size.y);
  let out_row = n / size.y % size.x;
  let out_col = n % size.y;
  var row = vec4i(out_row * params.stride.x) - i32(params.pad.x);
  var col = vec4i(out_col * params.stride.y) - i32(params.pad.y);
  if (TRANSPOSED) {
    row = vec4i(out_row + (remainder.x + params.pad.x) / params.stride.x);
    col = vec4i(out_col + (remainder.y + params.pad.y) / params.stride.y);
  }

  let first_col = col;
  let x_rows = vec4i(i32(params.x_size.x));
  let x_cols = vec4i(i32(params.x_size.y));

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
    for (var i = 0u; i < ROWS; i++) { lane_w[i] = min(m0 + SG * i + lane, params.M - 1u) * taps * params.K / KU; }
  }

  // @registers
  var c: array<vec4f, RM>;                       // c[i]: channel m0 + i of the four pixels
  for (var tap_row = first_tap.x; tap_row < params.kernel.x; tap_row += tap_step.x) {
    for (var tap_col = first_tap.y; tap_col < params.kernel.y; tap_col += tap_step.y) {
      let ok = (row >= vec4i()) & (row < x_rows) & (col >= vec4i()) & (col < x_cols);
      let pixel = (image * params.x_size.x + vec4u(row)) * params.x_size.y + vec4u(col);
      var at_x = select(vec4u(), pixel, ok) * (params.K / KU);
      let tap = tap_row * params.kernel.y + tap_col;
      // @registers
      var at_w: array<u32, ROWS + LOADS>;
      if (TRANSPOSED) {
        // @unroll
        for (var i = 0u; i < LOADS; i++) { at_w[i] = lane_w[i] + tap * (params.M / 4u); }
      } else {
        // @unroll
        for (var i = 0u; i < ROWS; i++) { at_w[i] = lane_w[i] + tap * (params.K / KU); }
      }

      for (var k = 0u; k < params.K; k += KU) {
        let v0 = select(X_VEC(), x[at_x[0]], ok[0]);
        let v1 = select(X_VEC(), x[at_x[1]], ok[1]);
        let v2 = select(X_VEC(), x[at_x[2]], ok[2]);
        let v3 = select(X_VEC(), x[at_x[3]], ok[3]);
        at_x += vec4u(1u);
        // @registers
        var b: array<vec4f, KU>;                 // b[t]: channel k + t of the four pixels
        // @unroll
        for (var t = 0u; t < KU; t++) { b[t] = vec4f(v0[t], v1[t], v2[t], v3[t]); }

        if (TRANSPOSED) {
          // @registers
          var loaded: array<vec4f, LOADS>;
          // @unroll
          for (var i = 0u; i < LOADS; i++) { loaded[i] = wide(w[at_w[i]]); at_w[i] += KU * taps * (params.M / 4u); }
          // @unroll
          for (var g = 0u; g < MV; g++) {
            // @registers
            var a: array<vec4f, KU>;             // a[t]: channels m0 + 4g .. of M, k + t
            // @unroll
            for (var t = 0u; t < KU; t++) { a[t] = subgroupShuffle(loaded[(t * MV + g) / SG], (t * MV + g) % SG); }
            // @unroll
            for (var e = 0u; e < 4u; e++) {
              // @unroll
              for (var t = 0u; t < KU; t++) { c[4u * g + e] = fma(vec4f(a[t][e]), b[t], c[4u * g + e]); }
            }
          }
        } else {
          // @registers
          var loaded: array<W_VEC, ROWS>;
          // @unroll
          for (var i = 0u; i < ROWS; i++) { loaded[i] = w[at_w[i]]; at_w[i] += 1u; }
          // @unroll
          for (var i = 0u; i < RM; i++) {
            let a = subgroupShuffle(loaded[i / SG], i % SG);
            // @unroll
            for (var t = 0u; t < KU; t++) { c[i] = fma(vec4f(a[t]), b[t], c[i]); }
          }
        }
      }
      col += select(1, -1, TRANSPOSED);
    }
    row += select(1, -1, TRANSPOSED);
    col = first_col;
  }

  // @unroll
  for (var e = 0u; e < 4u; e++) {
    if (n0 + e < N) {
      var pixel = n0 + e;
      if (TRANSPOSED) {
        let at = vec2u(out_row[e], out_col[e]) * params.stride + remainder;
        pixel = (image[e] * params.y_size.x + at.x) * params.y_size.y + at.y;
      }
      // @unroll
      for (var g = 0u; g < MV; g++) {
        let m = m0 + 4u * g;
        if (m < params.M) {
          var value = vec4f(c[4u * g][e], c[4u * g + 1u][e], c[4u * g + 2u][e], c[4u * g + 3u][e]);
          if (BIAS) { value += bias[m / 4u]; }
          y[(pixel * params.M + m) / 4u] = value;
        }
      }
    }
  }
}
