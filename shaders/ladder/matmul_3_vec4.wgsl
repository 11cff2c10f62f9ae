// matmul_3_vec4    y[m, n] = sum_k a[m, k] b[k, n]
//
// Rung           a thread owns four neighbouring columns as one vec4f: each load of a now serves four multiply-adds.
// Shapes         a: (M, K), b: (K, N), y: (M, N), row-major; N a multiple of 4.
// One workgroup  owns 8 rows by 32 columns of y.
// Traffic        a N / 4 times, b M times, y once.
// Host           bench/ladder/matmul.ts

struct Params { M: u32, N: u32, K: u32 }

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let n4 = id.x;                                 // in vec4f's, as everything below that ends in 4
  let m = id.y;
  let N4 = params.N / 4u;
  if (m >= params.M || n4 >= N4) { return; }
  var sum = vec4f();
  for (var k = 0u; k < params.K; k++) { sum = fma(vec4f(a[m * params.K + k]), b[k * N4 + n4], sum); }
  y[m * N4 + n4] = sum;
}
