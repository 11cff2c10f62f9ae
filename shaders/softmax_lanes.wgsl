// softmax_lanes  y[r, c] = exp(x[r, c] - m[r]) / s[r],  m = row maximum, s = row sum of exp(x - m)
//
// Shapes         x, y: (R, C), rows contiguous, C at most N SG units of T.
// One workgroup  is one subgroup of SG lanes and owns ROWS rows, one after the other.
// One thread     holds N units of a row in registers: lane, lane + SG, ... Those past the end repeat the last and count as 0.
// Traffic        x once, y once: a load or a store is some 200 instructions on adapters in software, an exponential 15.
// Numerics       the maximum is one of the row's own elements: no "minus infinity" is needed. Fixed order of sums.
// Gradient       softmax_backward_rows.wgsl        Host  engine/ops/rows.ts        Twin  test/reference/softmax.ts

enable subgroups;

// @import common/row.wgsl
// @import common/exp_row.wgsl

alias T = vec4f;                 // vec4f where C is a multiple of 4, else f32
const SG: u32 = 4u;              // lanes of a subgroup
const N: u32 = 8u;               // units of T a lane
const ROWS: u32 = 16u;

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * grid.x + group.x) * ROWS;
  for (var i = 0u; i < ROWS; i++) {
    if (first + i >= params.rows) { return; }
    let begin = (first + i) * params.cols;
    // @registers
    var e: array<T, N>;
    // @unroll
    for (var j = 0u; j < N; j++) { e[j] = x[begin + min(SG * j + lane, params.cols - 1u)]; }

    var most = e[0];
    // @unroll
    for (var j = 0u; j < N; j++) { most = max(most, e[j]); }
    let own = across_max(most);
    var m = own;
    // @unroll
    for (var j = 0u; j < SG; j++) { m = max(m, subgroupShuffle(own, j)); }

    var part = T();
    // @unroll
    for (var j = 0u; j < N; j++) {
      e[j] = exp_row(e[j] - m);
      part += select(T(), e[j], SG * j + lane < params.cols);
    }
    let share = across_sum(part);
    var s = 0.0;
    // @unroll
    for (var j = 0u; j < SG; j++) { s += subgroupShuffle(share, j); }
    let r = 1.0 / s;

    // @unroll
    for (var j = 0u; j < N; j++) { if (SG * j + lane < params.cols) { y[begin + SG * j + lane] = e[j] * r; } }
  }
}
