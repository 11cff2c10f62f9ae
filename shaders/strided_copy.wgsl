// strided_copy   y[Y + sum c_d yd] = x[X + sum c_d xd]    for every coordinate c of a box: slices, concatenation, permutation
//
// Shapes         x, y: anything; the box has n elements of type T, its sizes and the strides come from the host.
// One thread     VECS adjacent elements of the box, in the order of the sizes (innermost first); past the end the last one again.
// Traffic        the box once from x, once to y. Scattered elements of one word on the side whose innermost stride is not 1.
// Gradient       the way back        Host  engine/ops/strided.ts        Twin  test/reference/layout.ts, cat.ts
//
// @import common/strided.wgsl

alias T = u32;                   // u32, or vec4u where four words move together; both carry f32 bits unchanged
const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs
const SHARED: bool = false;      // the innermost size is a multiple of VECS: one place serves all VECS elements

struct Params {
  n: u32, x_first: u32, y_first: u32,
  sizes: vec4u, sizes_high: vec4u,
  x: vec4u, x_high: vec4u,
  y: vec4u, y_high: vec4u,
}

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> y: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

/** Where element e of the box lies in x and in y. */
fn locate(e: u32) -> vec2u {
  var rest = e;
  var at = vec2u(params.x_first, params.y_first);
  // @unroll
  for (var d = 0u; d < DIMS; d++) {
    var c = rest;
    if (d + 1u < DIMS) {
      let size = pick(params.sizes, params.sizes_high, d);
      c = rest % size;
      rest /= size;
    }
    at += c * vec2u(pick(params.x, params.x_high, d), pick(params.y, params.y_high, d));
  }
  return at;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i >= params.n) { return; }
  if (SHARED) {
    let first = locate(i);
    let step = vec2u(params.x.x, params.y.x);
    // @unroll
    for (var v = 0u; v < VECS; v++) {
      let at = first + v * step;
      y[at.y] = x[at.x];
    }
    return;
  }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    let at = locate(min(i + v, params.n - 1u));
    y[at.y] = x[at.x];
  }
}
