// matmul_4_registers   y[m, n] = sum_k a[m, k] b[k, n]
//
// Rung           a thread keeps 8 rows by 4 columns of y in registers: 12 loads of a vec4f feed 128 multiply-adds.
// Shapes         a: (M, K), b: (K, N), y: (M, N), row-major; K and N multiples of 4.
// One workgroup  owns 32 rows by 32 columns of y.
// Traffic        a N / 4 times, b M / 8 times, y once.
// Host           bench/ladder/matmul.ts

const ROWS: u32 = 8u;            // rows of y a thread

struct Params { M: u32, N: u32, K: u32 }

@group(0) @binding(0) var<storage, read>       a: array<vec4f>;
@group(0) @binding(1) var<storage, read>       b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(8, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n4 = id.x;                                 // in vec4f's, as everything below that ends in 4
  let m0 = id.y * ROWS;
  let N4 = params.N / 4u;
  let K4 = params.K / 4u;
  if (m0 >= params.M || n4 >= N4) { return; }
  // @registers
  var sum: array<vec4f, ROWS>;
  for (var k4 = 0u; k4 < K4; k4++) {
    let b0 = b[(4u * k4) * N4 + n4];
    let b1 = b[(4u * k4 + 1u) * N4 + n4];
    let b2 = b[(4u * k4 + 2u) * N4 + n4];
    let b3 = b[(4u * k4 + 3u) * N4 + n4];
    // @unroll
    for (var i = 0u; i < ROWS; i++) {
      let four = a[min(m0 + i, params.M - 1u) * K4 + k4];
      sum[i] = fma(vec4f(four.w), b3, fma(vec4f(four.z), b2, fma(vec4f(four.y), b1, fma(vec4f(four.x), b0, sum[i]))));
    }
  }
  // @unroll
  for (var i = 0u; i < ROWS; i++) {
    if (m0 + i < params.M) { y[(m0 + i) * N4 + n4] = sum[i]; }
  }
}
