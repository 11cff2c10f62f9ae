// matmul_tiled   o[n, m] = alpha sum_k p[n, k] q[m, k]  (+ bias of the output's contiguous dimension)
//                for GPUs: a tile of both operands in workgroup memory, outputs in registers
//
// Shapes         per product, with leading dimensions (elements between rows) ld_p, ld_q, ld_o:
//                p: (N, K), or (K, N) unless P_K     q: (M, K), or (K, M) unless Q_K     o: (N, M), or (M, N) unless O_M
//                forward y = x w^T: P_K, Q_K, O_M.  dx = dy w: P_K, !Q_K, O_M.  dw = dy^T x: p = x, q = dy, !P_K, !Q_K, !O_M.
//                The contiguous dimension of each operand, leading dimensions, starts, strides: multiples of 4. Others are free.
// Batch          z = batch * heads + head; each operand starts at start + batch * batch stride + head * head stride, so a
//                head is a slice of channels: no copy.
// One workgroup  owns TN rows of N by TM of M, at one z.
// One thread     owns RN x RM outputs; carries BLOCKS blocks to the tile (common/tile.wgsl), the next while this one is multiplied.
// Traffic        p M / TM times, q N / TN times, o once.
// SPLIT          the workgroups of all z share the K of one product; each writes its own o, one (N, M) after the other,
//                the first with bias and plus, and sum_splits.wgsl adds them in order.
// PLUS, SLOPE    o += plus, or o *= gelu'(plus), which lies as o does.
// SUMS, GELU     Behind o, from element params.behind on: the sums of p over k, (N), the gradient of a bias in the pass of its
//                weight; or gelu(o). Where the depth is split sum_splits.wgsl does the latter.
// Numerics       f32, k in order: same input, same bits. Rows past the edge repeat the last, never stored; k past K counts 0.
// Gradient       itself, as above       Host  engine/ops/tiled_plan.ts

const TN: u32 = 64u;             // rows of N a workgroup
const TM: u32 = 64u;             // rows of M a workgroup
const TK: u32 = 16u;             // k's a tile, a multiple of 4
const RN: u32 = 8u;              // rows of N a thread, a multiple of 4
const RM: u32 = 8u;              // rows of M a thread, a multiple of 4
const BUFFERS: u32 = 1u;         // 2: half the barriers for twice the workgroup memory
const KU: u32 = 1u;              // k's of a tile written out; divides TK
const SPLIT: bool = false;       // z is a part of the depth of one product
const P_K: bool = true;          // k is contiguous in p
const Q_K: bool = true;          // k is contiguous in q
const O_M: bool = true;          // m is contiguous in o
const BIAS: bool = false;
const PLUS: bool = false;
const SLOPE: bool = false;
const SUMS: bool = false;
const GELU: bool = false;

// @import common/tile.wgsl
// @import common/gelu.wgsl

struct Params {
  M: u32, N: u32, K: u32, heads: u32,
  ld_p: u32, ld_q: u32, ld_o: u32, alpha: f32,
  part: u32, behind: u32,        // elements from one split's output to the next; see SUMS
  start: vec4u, batch_stride: vec4u, head_stride: vec4u,   // of p, q, o, and bias and sums: elements
}

@group(0) @binding(0) var<storage, read>       p: array<vec4f>;
@group(0) @binding(1) var<storage, read>       q: array<vec4f>;
@group(0) @binding(2) var<storage, read>       bias: array<vec4f>;
@group(0) @binding(3) var<storage, read>       plus: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> o: array<vec4f>;
@group(0) @binding(5) var<uniform>             params: Params;

// Which of a block's lines (common/tile.wgsl) lie below K. A row is inside or outside as a whole, because K is then a multiple of 4.
fn lines_inside(k_contiguous: bool, k: u32) -> vec4<bool> {
  return select(k + FOUR, vec4u(k), k_contiguous) < vec4u(params.K);
}

fn block_p(lines: vec4u, k: u32) -> mat4x4f {
  let ok = lines_inside(P_K, k);
  let at = select(vec4u(), lines, ok);
  return block_of(P_K, ok, p[at.x], p[at.y], p[at.z], p[at.w]);
}

fn block_q(lines: vec4u, k: u32) -> mat4x4f {
  let ok = lines_inside(Q_K, k);
  let at = select(vec4u(), lines, ok);
  return block_of(Q_K, ok, q[at.x], q[at.y], q[at.z], q[at.w]);
}

fn store(at: u32, sum: vec4f, split: u32) {
  var value = sum;
  if (PLUS && split == 0u) { value += plus[at]; }
  if (SLOPE) { value *= gelu_slope4(plus[at - split * params.part / 4u]); }
  o[at] = value;
  if (GELU) { o[params.behind / 4u + at] = gelu4(value); }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * grid.x + group.x;
  let m_tiles = (params.M + TM - 1u) / TM;
  let m0 = index % m_tiles * TM;
  let n0 = index / m_tiles * TN;
  if (n0 >= params.N) { return; }                // the same for all threads, so the barriers below are safe
  let split = select(0u, group.z, SPLIT);
  let product = select(group.z, 0u, SPLIT);
  let base = params.start + product / params.heads * params.batch_stride + product % params.heads * params.head_stride;
  let range = split_range(params.K, split, select(1u, grid.z, SPLIT));
  let first_k = range.x + block_k(lane);

  // @registers
  var lines: array<vec4u, BLOCKS>;
  // @registers
  var next: array<mat4x4f, BLOCKS>;              // the blocks of the next tile
  // @unroll
  for (var i = 0u; i < BLOCKS; i++) {
    let column = block_column(lane, i);
    if (column < TN / 4u) {
      lines[i] = block_lines(P_K, base.x, n0 + 4u * column, first_k, params.N, params.ld_p);
      next[i] = block_p(lines[i], first_k);
    } else {
      lines[i] = block_lines(Q_K, base.y, m0 + 4u * column - TN, first_k, params.M, params.ld_q);
      next[i] = block_q(lines[i], first_k);
    }
  }

  // Threads next to each other own neighbours of the output's contiguous dimension.
  let lane_n = select(lane % LANES_N, lane / LANES_M, O_M);
  let lane_m = select(lane / LANES_N, lane % LANES_M, O_M);
  // @registers
  var c: array<vec4f, RN * MV>;                  // c[(4j + e) MV + g]: row e of vec4f j of p, vec4f g of q
  // @registers
  var sums: array<vec4f, NV>;
  let sums_up = SUMS && m0 == 0u;
  var buffer = 0u;
  for (var k0 = range.x; k0 < range.y; k0 += TK) {
    if (BUFFERS == 1u) { workgroupBarrier(); }
    // @unroll
    for (var i = 0u; i < BLOCKS; i++) { store_block(buffer, lane, i, next[i]); }
    workgroupBarrier();

    let next_k = k0 + TK + block_k(lane);
    // @unroll
    for (var i = 0u; i < BLOCKS; i++) {
      if (block_column(lane, i) < TN / 4u) {
        lines[i] += select(TK * params.ld_p, TK, P_K) / 4u;
        next[i] = block_p(lines[i], next_k);
      } else {
        lines[i] += select(TK * params.ld_q, TK, Q_K) / 4u;
        next[i] = block_q(lines[i], next_k);
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
          if (sums_up) { sums[j] += a; }
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

  let start = base.z + split * params.part;
  let add_bias = BIAS && split == 0u;
  if (sums_up && lane_m == 0u) {
    // @unroll
    for (var j = 0u; j < NV; j++) {
      let n = n0 + 4u * (lane_n + j * LANES_N);
      if (n < params.N) { o[(split * params.part + params.behind + base.w + n) / 4u] = sums[j]; }
    }
  }
  // @unroll
  for (var j = 0u; j < NV; j++) {
    let n = n0 + 4u * (lane_n + j * LANES_N);
    // @unroll
    for (var g = 0u; g < MV; g++) {
      let m = m0 + 4u * (lane_m + g * LANES_M);
      if (O_M) {
        if (m < params.M) {
          var add = vec4f();
          if (add_bias) { add = bias[(base.w + m) / 4u]; }
          // @unroll
          for (var e = 0u; e < 4u; e++) {
            if (n + e < params.N) {
              store((start + (n + e) * params.ld_o + m) / 4u, fma(vec4f(params.alpha), c[(4u * j + e) * MV + g], add), split);
            }
          }
        }
      } else if (n < params.N) {
        var add = vec4f();
        if (add_bias) { add = bias[(base.w + n) / 4u]; }
        // @unroll
        for (var e = 0u; e < 4u; e++) {
          if (m + e < params.M) {
            let y = vec4f(c[4u * j * MV + g][e], c[(4u * j + 1u) * MV + g][e], c[(4u * j + 2u) * MV + g][e], c[(4u * j + 3u) * MV + g][e]);
            store((start + (m + e) * params.ld_o + n) / 4u, fma(vec4f(params.alpha), y, add), split);
          }
        }
      }
    }
  }
}
