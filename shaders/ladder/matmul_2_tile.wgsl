// matmul_2_tile    y[m, n] = sum_k a[m, k] b[k, n]
//
// Rung           16 x 16 threads bring a tile of a and of b into workgroup memory and share it: a sixteenth of the loads. The first
//                thing to do on a GPU; an adapter in software has no such memory, and pays for the barriers.
// Shapes         a: (M, K), b: (K, N), y: (M, N), row-major.
// One workgroup  owns 16 rows by 16 columns of y.
// Traffic        a N / 16 times, b M / 16 times, y once.
// Host           bench/ladder/matmul.ts

const TILE: u32 = 16u;

struct Params { M: u32, N: u32, K: u32 }

@group(0) @binding(0) var<storage, read>       a: array<f32>;
@group(0) @binding(1) var<storage, read>       b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform>             params: Params;

var<workgroup> tile_a: array<f32, TILE * TILE>;
var<workgroup> tile_b: array<f32, TILE * TILE>;

@compute @workgroup_size(TILE, TILE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) at: vec3u) {
  let m = group.y * TILE + at.y;
  let n = group.x * TILE + at.x;
  let mine = at.y * TILE + at.x;
  var sum = 0.0;
  for (var k0 = 0u; k0 < params.K; k0 += TILE) {
    // Past the edge a tile holds zeros: every thread loads and meets the barriers, whether it owns an element or not.
    tile_a[mine] = select(0.0, a[m * params.K + k0 + at.x], m < params.M && k0 + at.x < params.K);
    tile_b[mine] = select(0.0, b[(k0 + at.y) * params.N + n], n < params.N && k0 + at.y < params.K);
    workgroupBarrier();
    for (var k = 0u; k < TILE; k++) { sum += tile_a[at.y * TILE + k] * tile_b[k * TILE + at.x]; }
    workgroupBarrier();
  }
  if (m < params.M && n < params.N) { y[m * params.N + n] = sum; }
}
