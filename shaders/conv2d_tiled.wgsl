// conv2d_tiled   y[b, o, :] = sum_tap w[:, tap, :] x[b, pixel(o, tap), :]  (+ bias)         any kernel, stride, padding
//                for GPUs: implicit GEMM, matmul_tiled with a gathered p and no im2col
//
// As a matmul        N = output pixels of all images, M = output channels, depth = taps x K with the channels inside:
//                    p[n, (tap, k)] = x[pixel(n, tap), k], 0 in the padding     q[m, (tap, k)] = w[m, tap, k]
// Forward            pixel = o stride - pad + tap                                   w: (M, kh, kw, K)
// TRANSPOSED         pixel = (o + pad - tap) / stride where that is whole           w: (K, kh, kw, M)
//                    conv_transpose2d, and the input gradient of conv2d: x is dy, y is dx, w as it is. Output pixels with
//                    the same remainder r = o % stride meet the same taps, (r + pad) % stride, + stride, ...: one r a z,
//                    and within one r the gather is dense again.
//
// Shapes             x: (B, Hx, Wx, K)   y: (B, Hy, Wy, M)   bias: (M)     K, M multiples of 4
//                    Hy, Wy are the caller's: right and bottom padding follow from them, so padding may be asymmetric.
// One workgroup      owns TN output pixels by TM channels of M, at z = split * remainders + remainder.
// One thread         owns RN x RM outputs, and carries BLOCKS blocks from memory to the tile (common/tile.wgsl). K is a
//                    multiple of 4, so a block lies in one tap. The loads of the next tile are issued before the
//                    multiplications of this one.
// Traffic            x taps * M / TM times, w N / TN times, y once for each split.
// Split K            where grid z is a multiple of the remainders, these many workgroups share the depth of an output tile;
//                    each writes its own y, one whole y after the other, the first with the bias, and sum_splits.wgsl
//                    adds them in order.
// Numerics           f32, taps outside, channels inside, in order: same input, same bits.
// Gradient           dx: itself, TRANSPOSED. dw: conv2d_backward_weight_tiled.wgsl          Host  engine/ops/tiled_plan.ts

const TN: u32 = 64u;             // output pixels a workgroup
const TM: u32 = 64u;             // channels of M a workgroup
const TK: u32 = 16u;             // depths a tile, a multiple of 4
const RN: u32 = 8u;              // output pixels a thread, a multiple of 4
const RM: u32 = 8u;              // channels of M a thread, a multiple of 4
const BUFFERS: u32 = 1u;         // 2: half the barriers for twice the workgroup memory
const KU: u32 = 1u;              // k's of a tile written out; divides TK
const TRANSPOSED: bool = false;
const BIAS: bool = false;
const PLUS: bool = false;        // y += plus, which lies as y does

// @import common/tile.wgsl
// @import common/conv_depth.wgsl

struct Params {
  x_size: vec2u, y_size: vec2u,  // height, width
  kernel: vec2u, stride: vec2u,
  pad: vec2u,                    // top, left
  B: u32, K: u32, M: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       w: array<vec4f>;
@group(0) @binding(2) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(3) var<storage, read>       plus: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<uniform>             params: Params;

// Four pixels of the output: the number of their image, and where in x the window's first tap falls.
struct Pixels { image: vec4u, row: vec4i, col: vec4i }

fn block_x(pixels: Pixels, d: Depth, taps: vec2u) -> mat4x4f {
  let way = select(1, -1, TRANSPOSED);
  let row = pixels.row + way * i32(d.tap.x);
  let col = pixels.col + way * i32(d.tap.y);
  let ok = (row >= vec4i()) & (row < vec4i(i32(params.x_size.x))) & (col >= vec4i()) & (col < vec4i(i32(params.x_size.y)))
         & vec4<bool>(d.tap.x < taps.x);
  let pixel = (pixels.image * params.x_size.x + vec4u(row)) * params.x_size.y + vec4u(col);
  let at = select(vec4u(), (pixel * params.K + d.k) / 4u, ok);
  return transpose(mat4x4f(select(vec4f(), x[at.x], ok.x), select(vec4f(), x[at.y], ok.y),
                           select(vec4f(), x[at.z], ok.z), select(vec4f(), x[at.w], ok.w)));
}

fn block_w(m: u32, d: Depth, view: Window) -> mat4x4f {
  let ok = d.tap.x < view.taps.x;
  let taps = params.kernel.x * params.kernel.y;
  let place = view.first + d.tap * view.step;
  let tap = select(0u, place.x * params.kernel.y + place.y, ok);
  var at = ((min(m + FOUR, vec4u(params.M - 1u)) * taps + tap) * params.K + d.k) / 4u;
  if (TRANSPOSED) { at = (((d.k + FOUR) * taps + tap) * params.M + min(m, params.M - 4u)) / 4u; }
  let four = mat4x4f(select(vec4f(), w[at.x], ok), select(vec4f(), w[at.y], ok),
                      select(vec4f(), w[at.z], ok), select(vec4f(), w[at.w], ok));
  if (TRANSPOSED) { return four; }
  return transpose(four);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  // The output pixels of this z, (height, width) `size`.
  var size = params.y_size;
  var remainders = 1u;
  var remainder = vec2u();
  if (TRANSPOSED) {
    remainders = params.stride.x * params.stride.y;
    remainder = vec2u(group.z % remainders / params.stride.y, group.z % params.stride.y);
    size = (params.y_size + params.stride - 1u - remainder) / params.stride;
  }
  let split = group.z / remainders;
  let N = params.B * size.x * size.y;

  let index = group.y * grid.x + group.x;
  let m_tiles = (params.M + TM - 1u) / TM;
  let m0 = index % m_tiles * TM;
  let n0 = index / m_tiles * TN;
  if (n0 >= N) { return; }                       // the same for all threads, so the barriers below are safe
  let view = window(remainder);
  let range = split_range(view.taps.x * view.taps.y * params.K, split, grid.z / remainders);
  var depth = depth_at(range.x + block_k(lane), view.taps);

  // @registers
  var pixels: array<Pixels, BLOCKS>;
  // @registers
  var next: array<mat4x4f, BLOCKS>;              // the blocks of the next tile
  // @unroll
  for (var i = 0u; i < BLOCKS; i++) {
    let column = block_column(lane, i);
    if (column < TN / 4u) {
      let n = min(n0 + 4u * column + FOUR, vec4u(N - 1u));
      var row = vec4i(n / size.y % size.x * params.stride.x) - i32(params.pad.x);
      var col = vec4i(n % size.y * params.stride.y) - i32(params.pad.y);
      if (TRANSPOSED) {
        row = vec4i(n / size.y % size.x + (remainder.x + params.pad.x) / params.stride.x);
        col = vec4i(n % size.y + (remainder.y + params.pad.y) / params.stride.y);
      }
      pixels[i] = Pixels(n / (size.x * size.y), row, col);
      next[i] = block_x(pixels[i], depth, view.taps);
    } else {
      next[i] = block_w(m0 + 4u * column - TN, depth, view);
    }
  }

  let lane_n = lane / LANES_M;                   // neighbours own neighbouring channels of a pixel
  let lane_m = lane % LANES_M;
  // @registers
  var c: array<vec4f, RN * MV>;                  // c[(4j + e) MV + g]: pixel e of vec4f j of p, vec4f g of channels
  var buffer = 0u;
  for (var k0 = range.x; k0 < range.y; k0 += TK) {
    if (BUFFERS == 1u) { workgroupBarrier(); }
    // @unroll
    for (var i = 0u; i < BLOCKS; i++) { store_block(buffer, lane, i, next[i]); }
    workgroupBarrier();

    depth = deeper(depth, TK, view.taps);
    // @unroll
    for (var i = 0u; i < BLOCKS; i++) {
      if (block_column(lane, i) < TN / 4u) {
        next[i] = block_x(pixels[i], depth, view.taps);
      } else {
        next[i] = block_w(m0 + 4u * block_column(lane, i) - TN, depth, view);
      }
    }

    for (var k = 0u; k < TK; k += KU) {
      // @unroll
      for (var t = 0u; t < KU; t++) {
        let line = buffer + (k + t) * LINE;
        // @registers
        var b: array<vec4f, MV>;
        // @unroll
        for (var g = 0u; g < MV; g++) { b[g] = tile[line + TN / 4u + lane_m + g * LANES_M]; }
        // @unroll
        for (var j = 0u; j < NV; j++) {
          let a = tile[line + lane_n + j * LANES_N];
          // @unroll
          for (var e = 0u; e < 4u; e++) {
            // @unroll
            for (var g = 0u; g < MV; g++) { c[(4u * j + e) * MV + g] = fma(vec4f(a[e]), b[g], c[(4u * j + e) * MV + g]); }
          }
        }
      }
    }
    buffer = (buffer + TILE) % (BUFFERS * TILE);
  }

  let start = split * params.B * params.y_size.x * params.y_size.y;
  // @unroll
  for (var j = 0u; j < NV; j++) {
    // @unroll
    for (var e = 0u; e < 4u; e++) {
      let n = n0 + 4u * (lane_n + j * LANES_N) + e;
      if (n < N) {
        var pixel = n;
        if (TRANSPOSED) {
          let at = vec2u(n / size.y % size.x, n % size.y) * params.stride + remainder;
          pixel = (n / (size.x * size.y) * params.y_size.x + at.x) * params.y_size.y + at.y;
        }
        // @unroll
        for (var g = 0u; g < MV; g++) {
          let m = m0 + 4u * (lane_m + g * LANES_M);
          if (m < params.M) {
            var value = c[(4u * j + e) * MV + g];
            if (BIAS && split == 0u) { value += bias[m / 4u]; }
            if (PLUS && split == 0u) { value += plus[(pixel * params.M + m) / 4u]; }
            y[((start + pixel) * params.M + m) / 4u] = value;
          }
        }
      }
    }
  }
}
