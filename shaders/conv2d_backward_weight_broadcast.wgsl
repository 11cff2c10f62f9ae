// conv2d_backward_weight_broadcast   dw[m, tap, n] = sum over output pixels o of dy[o, m] x[o stride - pad + tap, n]
//                    for software adapters: matmul_broadcast's form for dw = dy^T x, (tap, n) for N, pixels for K
//
// Shapes             x: (B, Hx, Wx, N)   dy: (B, Hy, Wy, M)   dw: (splits, M, kh, kw, N)     N, M multiples of 4
//                    conv_transpose2d calls it with x and dy exchanged: its w is (input, kh, kw, output).
// One workgroup      is one subgroup of SG lanes and owns RM channels of M by 4 * CN * SG columns (tap, n), over the
//                    output pixels of split z. Few channels fill the lanes with several taps.
// One thread         owns 4 * CN columns, all RM rows; dy reaches it by broadcast or swap, a vec4f a lane.
// Traffic            x taps * M / RM times, dy taps * N / (4 CN SG) times, dw once.
// Numerics           f32, pixels in order. The window is clipped to x first, as far as the workgroup's taps agree; what is
//                    left of the padding counts as 0.
// Forward            conv2d_broadcast.wgsl       Host  engine/ops/gemm_plan.ts

enable subgroups;

const SG: u32 = 4u;              // lanes of a subgroup
const RM: u32 = 16u;             // channels of M a workgroup, a multiple of 4
const CN: u32 = 2u;              // vec4f's of N a thread
const KU: u32 = 1u;              // pixels a turn: a variable carried round the loop is spilled once a turn
const SWAP: bool = false;        // SG 4, RM 16: dy reaches the other lanes by swaps, in another order in each lane

const MV: u32 = RM / 4u;                         // vec4f's of dy for one pixel,
const LOADS: u32 = (MV * KU + SG - 1u) / SG;     // and loads that bring those of KU pixels, one a lane

struct Params {
  x_size: vec2u, y_size: vec2u,  // height, width
  kernel: vec2u, stride: vec2u,
  pad: vec2u,                    // top, left
  B: u32, N: u32, M: u32, splits: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

// The first output place whose window's `tap` is at 0 or more in x,
fn first_inside(tap: u32, pad: u32, stride: u32) -> u32 {
  return (max(pad, tap) - tap + stride - 1u) / stride;
}
// and the one after the last that is below `length`: (o stride + tap < length + pad), at most `places`.
fn end_inside(tap: u32, pad: u32, stride: u32, length: u32, places: u32) -> u32 {
  return min((max(length + pad, tap) - tap + stride - 1u) / stride, places);
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * grid.x + group.x;
  let m_tiles = (params.M + RM - 1u) / RM;
  let m0 = tile % m_tiles * RM;
  let columns = params.kernel.x * params.kernel.y * params.N;
  let n_tile = tile / m_tiles * (4u * CN * SG);
  if (n_tile >= columns) { return; }
  let n0 = n_tile + lane * (4u * CN);

  // The output rows and columns that some tap of this workgroup takes inside of x.
  let first_tap = n_tile / params.N;
  let last_tap = (min(n_tile + 4u * CN * SG, columns) - 1u) / params.N;
  let top_tap = first_tap / params.kernel.y;
  let bottom_tap = last_tap / params.kernel.y;
  let one_row = top_tap == bottom_tap;
  let left_tap = select(0u, first_tap % params.kernel.y, one_row);
  let right_tap = select(params.kernel.y - 1u, last_tap % params.kernel.y, one_row);
  let first_row = first_inside(bottom_tap, params.pad.x, params.stride.x);
  let end_row = end_inside(top_tap, params.pad.x, params.stride.x, params.x_size.x, params.y_size.x);
  let first_col = first_inside(right_tap, params.pad.y, params.stride.y);
  let end_col = end_inside(left_tap, params.pad.y, params.stride.y, params.x_size.y, params.y_size.y);

  // @registers
  var at_x: array<u32, CN>;                      // this lane's place in the channels of a pixel, in vec4f's,
  // @registers
  var shift_row: array<u32, CN>;                 // and where its tap falls beside o stride; "negative" ones wrap
  // @registers
  var shift_col: array<u32, CN>;
  // @unroll
  for (var j = 0u; j < CN; j++) {
    let column = min(n0 + 4u * j, columns - 4u);
    at_x[j] = column % params.N / 4u;
    shift_row[j] = column / params.N / params.kernel.y - params.pad.x;
    shift_col[j] = column / params.N % params.kernel.y - params.pad.y;
  }

  // @registers
  var c: array<vec4f, RM * CN>;                  // c[i * CN + j]: row m0 + i, columns n0 + 4j ..
  let width = max(end_col, first_col) - first_col;
  let area = (max(end_row, first_row) - first_row) * width;
  let first = params.B * area * group.z / params.splits;
  let end = params.B * area * (group.z + 1u) / params.splits;
  var image = first / area;                      // of the next pixel
  var row = first_row + first % area / width;
  var col = first_col + first % width;
  for (var turn = first; turn < end; turn += KU) {
    // @registers
    var b: array<vec4f, CN * KU>;                // b[j * KU + t]: columns n0 + 4j .. at pixel turn + t, 0 outside
    // @registers
    var dy_at: array<u32, KU>;                   // past the end the first pixel of this turn again
    // @unroll
    for (var t = 0u; t < KU; t++) {
      let here = turn + t < end;
      dy_at[t] = select(dy_at[0], (image * params.y_size.x + row) * params.y_size.y + col, here);
      // @unroll
      for (var j = 0u; j < CN; j++) {
        let x_row = row * params.stride.x + shift_row[j];
        let x_col = col * params.stride.y + shift_col[j];
        let ok = here & (x_row < params.x_size.x) & (x_col < params.x_size.y);
        let place = (image * params.x_size.x + x_row) * params.x_size.y + x_col;
        b[j * KU + t] = select(vec4f(), x[select(0u, place * (params.N / 4u), ok) + at_x[j]], ok);
      }
      col += 1u;
      row += select(0u, 1u, col == end_col);
      image += select(0u, 1u, row == end_row);
      row = select(row, first_row, row == end_row);
      col = select(col, first_col, col == end_col);
    }
    // @registers
    var loaded: array<vec4f, LOADS>;
    // @unroll
    for (var i = 0u; i < LOADS; i++) {
      let v = SG * i + lane;                     // vec4f v % MV of the pixel after v / MV
      var pixel = dy_at[0];
      // @unroll
      for (var t = 0u; t < KU; t++) { pixel = select(pixel, dy_at[t], v / MV == t); }
      loaded[i] = dy[(pixel * params.M + min(m0 + v % MV * 4u, params.M - 4u)) / 4u];
    }
    // @unroll
    for (var g = 0u; g < MV; g++) {
      // @registers
      var a: array<vec4f, KU>;                   // a[t]: rows m0 + 4g .. (if SWAP: those of g ^ lane), pixel turn + t
      // @unroll
      for (var t = 0u; t < KU; t++) {
        a[t] = loaded[(t * MV + g) / SG];
        if (SWAP) { a[t] = subgroupShuffleXor(a[t], g % SG); } else { a[t] = subgroupShuffle(a[t], (t * MV + g) % SG); }
      }
      // @unroll
      for (var e = 0u; e < 4u; e++) {
        // @unroll
        for (var j = 0u; j < CN; j++) {
          var sum = c[(4u * g + e) * CN + j];
          // @unroll
          for (var f = 0u; f < 4u; f++) {        // a component to its end: its sum stays in a register
            // @unroll
            for (var t = 0u; t < KU; t++) { sum[f] = fma(b[j * KU + t][f], a[t][e], sum[f]); }
          }
          c[(4u * g + e) * CN + j] = sum;
        }
      }
    }
  }

  // @unroll
  for (var j = 0u; j < CN; j++) {
    let column = n0 + 4u * j;
    if (column < columns) {
      // @unroll
      for (var i = 0u; i < RM; i++) {
        let m = m0 + select(i, i ^ (4u * lane), SWAP);
        if (m < params.M) { dw[((group.z * params.M + m) * columns + column) / 4u] = c[i * CN + j]; }
      }
    }
  }
}
