// conv2d_backward_weight_tiled   dw[m, tap, n] = sum over output pixels o of dy[o, m] x[o stride - pad + tap, n]
//                    for GPUs: matmul_tiled's form for dw = dy^T x, with a gathered p
//
// As a matmul        N' = taps x N with the channels inside, M = output channels, depth = output pixels of all images:
//                    p[(tap, n), o] = x[o stride - pad + tap, n], 0 in the padding     q[m, o] = dy[o, m]
// Shapes             x: (B, Hx, Wx, N)   dy: (B, Hy, Wy, M)   dw: (M, kh, kw, N)     N, M multiples of 4
//                    For conv_transpose2d call it with x and dy exchanged: its weight is (its input channels, kh, kw, ...).
// One workgroup      owns TN of the taps x N by TM channels of M, at z = split.
// One thread         owns RN x RM outputs, and carries BLOCKS blocks from memory to the tile (common/tile.wgsl). N is a
//                    multiple of 4, so a block lies in one tap; all blocks of a thread read the same four pixels. The loads
//                    of the next tile are issued before the multiplications of this one.
// Traffic            x taps * M / TM times, dy taps * N / TN times, dw once for each z.
// Split K            few weights meet many pixels (96 x 864 outputs, 65,536 deep): the workgroups of all z share an output
//                    tile's pixels; each writes its own dw, one after the other, and sum_splits.wgsl adds them in order.
// SUMS               the gradient of the bias too: behind dw, from element params.behind on, the sums of dy over all pixels, (M).
// Numerics           f32, pixels in order within a split: same input, same bits.
// Forward            conv2d_tiled.wgsl       Host  engine/ops/tiled_plan.ts

const TN: u32 = 64u;             // (tap, channel) pairs a workgroup
const TM: u32 = 64u;             // channels of M a workgroup
const TK: u32 = 16u;             // pixels a tile, a multiple of 4
const RN: u32 = 8u;              // (tap, channel) pairs a thread, a multiple of 4
const RM: u32 = 8u;              // channels of M a thread, a multiple of 4
const BUFFERS: u32 = 1u;         // 2: half the barriers for twice the workgroup memory
const KU: u32 = 1u;              // k's of a tile written out; divides TK
const SUMS: bool = false;

// @import common/tile.wgsl

struct Params {
  x_size: vec2u, y_size: vec2u,  // height, width
  kernel: vec2u, stride: vec2u,
  pad: vec2u,                    // top, left
  B: u32, N: u32, M: u32,
  part: u32, behind: u32,        // elements from one split's output to the next; see SUMS
}

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

// Four output pixels, one behind the other: image, row, column. An image of B or more is past the end.
struct Pixels { image: vec4u, row: vec4u, col: vec4u }

fn pixels_at(first: u32) -> Pixels {
  let o = first + FOUR;
  return Pixels(o / params.y_size.y / params.y_size.x, o / params.y_size.y % params.y_size.x, o % params.y_size.y);
}

fn further(pixels: Pixels, by: u32) -> Pixels {
  var at = pixels;
  at.col += by;
  while (any(at.col >= vec4u(params.y_size.y))) {          // at most once if rows are as long as `by`
    let row_ends = at.col >= vec4u(params.y_size.y);
    at.col -= select(vec4u(), vec4u(params.y_size.y), row_ends);
    at.row += select(vec4u(), vec4u(1u), row_ends);
    let image_ends = at.row == vec4u(params.y_size.x);
    at.row = select(at.row, vec4u(), image_ends);
    at.image += select(vec4u(), vec4u(1u), image_ends);
  }
  return at;
}

// What a block reads: four channels of x at one tap, whose place is `shift` = tap - pad; or four channels of dy.
struct Column { shift: vec2i, channel: u32 }

fn block_x(pixels: Pixels, column: Column) -> mat4x4f {
  let row = vec4i(pixels.row * params.stride.x) + column.shift.x;
  let col = vec4i(pixels.col * params.stride.y) + column.shift.y;
  let ok = (row >= vec4i()) & (row < vec4i(i32(params.x_size.x))) & (col >= vec4i()) & (col < vec4i(i32(params.x_size.y)))
         & (pixels.image < vec4u(params.B));
  let pixel = (pixels.image * params.x_size.x + vec4u(row)) * params.x_size.y + vec4u(col);
  let at = select(vec4u(), (pixel * params.N + column.channel) / 4u, ok);
  return mat4x4f(select(vec4f(), x[at.x], ok.x), select(vec4f(), x[at.y], ok.y),
                 select(vec4f(), x[at.z], ok.z), select(vec4f(), x[at.w], ok.w));
}

fn block_dy(pixels: Pixels, column: Column) -> mat4x4f {
  let ok = pixels.image < vec4u(params.B);
  let pixel = (pixels.image * params.y_size.x + pixels.row) * params.y_size.y + pixels.col;
  let at = select(vec4u(), (pixel * params.M + column.channel) / 4u, ok);
  return mat4x4f(select(vec4f(), dy[at.x], ok.x), select(vec4f(), dy[at.y], ok.y),
                 select(vec4f(), dy[at.z], ok.z), select(vec4f(), dy[at.w], ok.w));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let N = params.kernel.x * params.kernel.y * params.N;
  let index = group.y * grid.x + group.x;
  let m_tiles = (params.M + TM - 1u) / TM;
  let m0 = index % m_tiles * TM;
  let n0 = index / m_tiles * TN;
  if (n0 >= N) { return; }                       // the same for all threads, so the barriers below are safe
  let split = group.z;
  let range = split_range(params.B * params.y_size.x * params.y_size.y, split, grid.z);
  var pixels = pixels_at(range.x + block_k(lane));

  // @registers
  var columns: array<Column, BLOCKS>;
  // @registers
  var next: array<mat4x4f, BLOCKS>;              // the blocks of the next tile
  // @unroll
  for (var i = 0u; i < BLOCKS; i++) {
    let column = block_column(lane, i);
    if (column < TN / 4u) {
      let n = min(n0 + 4u * column, N - 4u);
      let tap = vec2u(n / params.N / params.kernel.y, n / params.N % params.kernel.y);
      columns[i] = Column(vec2i(tap) - vec2i(params.pad), n % params.N);
      next[i] = block_x(pixels, columns[i]);
    } else {
      columns[i] = Column(vec2i(), min(m0 + 4u * column - TN, params.M - 4u));
      next[i] = block_dy(pixels, columns[i]);
    }
  }

  let lane_n = lane % LANES_N;                   // neighbours own neighbouring channels of a tap
  let lane_m = lane / LANES_N;
  // @registers
  var c: array<vec4f, RM * NV>;                  // c[(4g + e) NV + j]: channel e of vec4f g of dy, vec4f j of x
  // @registers
  var sums: array<vec4f, MV>;
  let sums_up = SUMS && n0 == 0u;
  var buffer = 0u;
  for (var k0 = range.x; k0 < range.y; k0 += TK) {
    if (BUFFERS == 1u) { workgroupBarrier(); }
    // @unroll
    for (var i = 0u; i < BLOCKS; i++) { store_block(buffer, lane, i, next[i]); }
    workgroupBarrier();

    pixels = further(pixels, TK);
    // @unroll
    for (var i = 0u; i < BLOCKS; i++) {
      if (block_column(lane, i) < TN / 4u) {
        next[i] = block_x(pixels, columns[i]);
      } else {
        next[i] = block_dy(pixels, columns[i]);
      }
    }

    for (var k = 0u; k < TK; k += KU) {
      // @unroll
      for (var t = 0u; t < KU; t++) {
        let line = buffer + (k + t) * LINE;
        // @registers
        var b: array<vec4f, NV>;
        // @unroll
        for (var j = 0u; j < NV; j++) { b[j] = tile[line + lane_n + j * LANES_N]; }
        // @unroll
        for (var g = 0u; g < MV; g++) {
          let a = tile[line + TN / 4u + lane_m + g * LANES_M];
          if (sums_up) { sums[g] += a; }
          // @unroll
          for (var e = 0u; e < 4u; e++) {
            // @unroll
            for (var j = 0u; j < NV; j++) { c[(4u * g + e) * NV + j] = fma(vec4f(a[e]), b[j], c[(4u * g + e) * NV + j]); }
          }
        }
      }
    }
    buffer = (buffer + TILE) % (BUFFERS * TILE);
  }

  if (sums_up && lane_n == 0u) {
    // @unroll
    for (var g = 0u; g < MV; g++) {
      let m = m0 + 4u * (lane_m + g * LANES_M);
      if (m < params.M) { dw[(split * params.part + params.behind + m) / 4u] = sums[g]; }
    }
  }
  // @unroll
  for (var g = 0u; g < MV; g++) {
    // @unroll
    for (var e = 0u; e < 4u; e++) {
      let m = m0 + 4u * (lane_m + g * LANES_M) + e;
      // @unroll
      for (var j = 0u; j < NV; j++) {
        let n = n0 + 4u * (lane_n + j * LANES_N);
        if (m < params.M && n < N) { dw[(split * params.part + m * N + n) / 4u] = c[(4u * g + e) * NV + j]; }
      }
    }
  }
}
