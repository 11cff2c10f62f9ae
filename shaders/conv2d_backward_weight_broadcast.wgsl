// conv2d_backward_weight_broadcast   dw[m, tap, n] = sum over output pixels o of dy[o, m] x[o stride - pad + tap, n]
//                    for software adapters: matmul_broadcast's form for dw = dy^T x, a tap each z, pixels for K
//
// Shapes             x: (B, Hx, Wx, N)   dy: (B, Hy, Wy, M)   dw: (M, kh, kw, N)     N, M multiples of 4
//                    conv_transpose2d calls it with x and dy exchanged: its w is (input, kh, kw, output).
// One workgroup      is one subgroup of SG lanes and owns RM channels of M by 4 * CN * SG of N, of tap z.
// One thread         owns 4 * CN channels of N, all RM rows; dy reaches it by broadcast, a vec4f a lane.
// Traffic            x taps * M / RM times, dy taps * N / (4 CN SG) times, dw once.
// Numerics           f32, pixels in order. The window is clipped to x first, so the loop meets no padding.
// Forward            conv2d_broadcast.wgsl       Host  engine/ops/gemm_plan.ts

enable subgroups;

const SG: u32 = 4u;              // lanes of a subgroup
const RM: u32 = 16u;             // channels of M a workgroup, a multiple of 4
const CN: u32 = 2u;              // vec4f's of N a thread
const KU: u32 = 1u;              // pixels of a row a turn

const MV: u32 = RM / 4u;                         // vec4f's of dy for one pixel,
const LOADS: u32 = (MV * KU + SG - 1u) / SG;     // and loads that bring those of KU pixels, one a lane

struct Params {
  x_size: vec2u, y_size: vec2u,  // height, width
  kernel: vec2u, stride: vec2u,
  pad: vec2u,                    // top, left
  B: u32, N: u32, M: u32,
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
  let n_tile = tile / m_tiles * (4u * CN * SG);
  if (n_tile >= params.N) { return; }
  let n0 = n_tile + lane * (4u * CN);

  let tap = vec2u(group.z / params.kernel.y, group.z % params.kernel.y);
  let first_row = first_inside(tap.x, params.pad.x, params.stride.x);
  let end_row = end_inside(tap.x, params.pad.x, params.stride.x, params.x_size.x, params.y_size.x);
  let first_col = first_inside(tap.y, params.pad.y, params.stride.y);
  let end_col = end_inside(tap.y, params.pad.y, params.stride.y, params.x_size.y, params.y_size.y);

  // @registers
  var at_x: array<u32, CN>;                      // this lane's place in the channels of a pixel, in vec4f's
  // @unroll
  for (var j = 0u; j < CN; j++) { at_x[j] = min(n0 + 4u * j, params.N - 4u) / 4u; }

  // @registers
  var c: array<vec4f, RM * CN>;                  // c[i * CN + j]: row m0 + i, channels n0 + 4j ..
  for (var image = 0u; image < params.B; image++) {
    for (var row = first_row; row < end_row; row++) {
      let x_row = (image * params.x_size.x + row * params.stride.x + tap.x - params.pad.x) * params.x_size.y;
      let dy_row = (image * params.y_size.x + row) * params.y_size.y;
      for (var col = first_col; col < end_col; col += KU) {
        // @registers
        var b: array<vec4f, CN * KU>;            // b[j * KU + t]: channels n0 + 4j .. at pixel col + t, 0 past the end
        // @unroll
        for (var t = 0u; t < KU; t++) {
          let pixel = x_row + min(col + t, end_col - 1u) * params.stride.y + tap.y - params.pad.y;
          // @unroll
          for (var j = 0u; j < CN; j++) {
            b[j * KU + t] = select(vec4f(), x[pixel * (params.N / 4u) + at_x[j]], col + t < end_col);
          }
        }
        // @registers
        var loaded: array<vec4f, LOADS>;
        // @unroll
        for (var i = 0u; i < LOADS; i++) {
          let v = SG * i + lane;                 // vec4f v % MV of the pixel after v / MV
          let pixel = dy_row + min(col + v / MV % KU, end_col - 1u);
          loaded[i] = dy[(pixel * params.M + min(m0 + v % MV * 4u, params.M - 4u)) / 4u];
        }
        // @unroll
        for (var g = 0u; g < MV; g++) {
          // @registers
          var a: array<vec4f, KU>;               // a[t]: rows m0 + 4g .., pixel col + t
          // @unroll
          for (var t = 0u; t < KU; t++) { a[t] = subgroupShuffle(loaded[(t * MV + g) / SG], (t * MV + g) % SG); }
          // @unroll
          for (var e = 0u; e < 4u; e++) {
            // @unroll
            for (var j = 0u; j < CN; j++) {
              // @unroll
              for (var t = 0u; t < KU; t++) {
                c[(4u * g + e) * CN + j] = fma(vec4f(a[t][e]), b[j * KU + t], c[(4u * g + e) * CN + j]);
              }
            }
          }
        }
      }
    }
  }

  let taps = params.kernel.x * params.kernel.y;
  // @unroll
  for (var j = 0u; j < CN; j++) {
    let n = n0 + 4u * j;
    if (n < params.N) {
      // @unroll
      for (var i = 0u; i < RM; i++) {
        if (m0 + i < params.M) { dw[(((m0 + i) * taps + group.z) * params.N + n) / 4u] = c[i * CN + j]; }
      }
    }
  }
}
