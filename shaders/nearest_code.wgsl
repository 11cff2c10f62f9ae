// nearest_code   index[r] = the first i with the least |z[r]|^2 + |e[i]|^2 - 2 z[r] e[i]
//
// Shapes         z: (R, D)   codebook: (codes, D)   index: (R)
// One thread     owns one row of z, held in registers, and walks all codes.
// Traffic        z once, the codebook R times (8,192 codes of 3 numbers stay in a cache).
// Numerics       f32 and in this form: near ties fall as they do in PyTorch's nets, up to its order of additions.
// Gradient       none: the net passes gradients straight through       Host  engine/ops/nearest_code.ts
//                Twin  test/reference/nearest_code.ts

const D: u32 = 3u;               // numbers of a code
const WORKGROUP: u32 = 16u;      // 16 on software adapters, 64 on GPUs

struct Params { rows: u32, codes: u32 }

@group(0) @binding(0) var<storage, read>       z: array<f32>;
@group(0) @binding(1) var<storage, read>       codebook: array<f32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let r = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (r >= params.rows) { return; }
  // @registers
  var row: array<f32, D>;
  var zz = 0.0;
  // @unroll
  for (var d = 0u; d < D; d++) {
    row[d] = z[r * D + d];
    zz += row[d] * row[d];
  }

  var best: u32;
  var least = 3.4e38;
  for (var i = 0u; i < params.codes; i++) {
    var ee = 0.0;
    var ze = 0.0;
    // @unroll
    for (var d = 0u; d < D; d++) {
      let e = codebook[i * D + d];
      ee += e * e;
      ze += row[d] * e;
    }
    let distance = (zz + ee) - 2.0 * ze;
    if (distance < least) {
      least = distance;
      best = i;
    }
  }
  index[r] = best;
}
