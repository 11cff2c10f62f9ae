// matmul_1_naive   y[m, n] = sum_k a[m, k] b[k, n]
//
// Rung           one thread an element, as in the formula: two loads for every multiply-add, and loads are what is slow.
// Shapes         a: (M, K), b: (K, N), y: (M, N), row-major.
// One workgroup  owns 8 rows by 8 columns of y.
// Traffic        a N times, b M times, y once.
// Host           bench/ladder/matmul.ts

struct Params { M: u32, N: u32, K: u32 }

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x;
  let m = id.y;
  if (m >= params.M || n >= params.N) { return; }
  var sum = 0.0;
  for (var k = 0u; k < params.K; k++) { sum += a[m * params.K + k] * b[k * params.N + n]; }
  y[m * params.N + n] = sum;
}
