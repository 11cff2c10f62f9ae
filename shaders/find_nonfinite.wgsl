// find_nonfinite first[0] = the number of the first call that met a NaN or infinity, first[1] = an index of one in it
//
// Shapes         x: (n) read as bits, because WGSL may assume that floats are finite. first: (2).
// One thread     one element.
// Host           engine/nan.ts

struct Params { n: u32, call: u32 }

@group(0) @binding(0) var<storage, read>       x: array<u32>;
@group(0) @binding(1) var<storage, read_write> first: array<atomic<u32>, 2>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= params.n) { return; }
  if ((x[i] & 0x7f800000u) == 0x7f800000u) {
    // The earliest call wins, and within it the smallest index: calls come in order, so a later call never lowers `call`.
    if (atomicMin(&first[0], params.call) >= params.call) { atomicMin(&first[1], i); }
  }
}
