// variance_backward   dx[r, c] = k[r] (x[r, c] - mean[r]),  k = 2 dy / divisor, or dy / (y divisor) for the root, 0 where y is 0
//
// Shapes         x, dx: (R, C), rows contiguous, in elements of T, y, mean, dy: (R).
// One thread     one element of T.
// Traffic        x once, dx once.
// Host           engine/ops/variance.ts        Twin  test/reference/reduce.ts

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const STD: bool = false;         // true: y is its square root

struct Params { rows: u32, cols: u32, divisor: f32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       y: array<f32>;
@group(0) @binding(2) var<storage, read>       mean: array<f32>;
@group(0) @binding(3) var<storage, read>       dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<T>;
@group(0) @binding(5) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.rows * params.cols) { return; }
  let row = i / params.cols;
  var k = 2.0 * dy[row] / params.divisor;
  if (STD) {
    k = 0.0;
    if (y[row] > 0.0) { k = dy[row] / (y[row] * params.divisor); }
  }
  dx[i] = k * (x[i] - mean[row]);
}
