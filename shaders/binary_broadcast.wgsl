// binary_broadcast  y = a OP b, a and b repeated along the dimensions where their stride is 0
//
// Shapes         y: (n) in its own memory order; a, b: read at the strides that the host gives for y's dimensions.
// One thread     VECS adjacent vec4's of y. The place in a and b is worked out once for each run of elements that share a row
//                of y (its innermost dimension): ROW = 2 all of the thread, 1 a vec4, 0 every element by itself.
// Traffic        a, b once an element of y (fewer where they repeat), y once.
// Gradient       the same kernels, then sumTo        Host  engine/ops/binary.ts        Twin  test/reference/binary.ts
//
// @import common/strided.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs
const ROW: u32 = 0u;
const A_READ: u32 = 2u;          // how four elements of a row are read, if ROW is not 0: 0 one for all, 1 as a vec4, 2 one by one
const B_READ: u32 = 2u;

const OP: u32 = 0u;              // one of these; engine/ops/binary.ts has the same list
const ADD: u32 = 0u;
const SUB: u32 = 1u;
const MUL: u32 = 2u;
const DIV: u32 = 3u;

struct Params {
  n: u32,
  sizes: vec4u, sizes_high: vec4u,
  a: vec4u, a_high: vec4u,
  b: vec4u, b_high: vec4u,
}

@group(0) @binding(0) var<storage, read>       a: array<vec4f>;
@group(0) @binding(1) var<storage, read>       b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

/** Where element e of y finds its a and its b. */
fn locate(e: u32) -> vec2u {
  var rest = e;
  var at = vec2u(0u);
  // @unroll
  for (var d = 0u; d < DIMS; d++) {
    var c = rest;
    if (d + 1u < DIMS) {
      let size = pick(params.sizes, params.sizes_high, d);
      c = rest % size;
      rest /= size;
    }
    at += c * vec2u(pick(params.a, params.a_high, d), pick(params.b, params.b_high, d));
  }
  return at;
}

fn a_at(e: u32) -> f32 { return a[e >> 2u][e & 3u]; }

fn b_at(e: u32) -> f32 { return b[e >> 2u][e & 3u]; }

fn combine(a: vec4f, b: vec4f) -> vec4f {
  switch (OP) {
    case ADD: { return a + b; }
    case SUB: { return a - b; }
    case MUL: { return a * b; }
    default:  { return a / b; }
  }
}

/** y from four elements of a row, the first at at.x in a and at.y in b. */
fn from_row(at: vec2u) -> vec4f {
  let k = at + vec2u(params.a.x, params.b.x);
  let l = k + vec2u(params.a.x, params.b.x);
  let m = l + vec2u(params.a.x, params.b.x);
  var p = vec4f(a_at(at.x));
  var q = vec4f(b_at(at.y));
  if (A_READ == 1u) { p = a[at.x >> 2u]; }
  if (B_READ == 1u) { q = b[at.y >> 2u]; }
  if (A_READ == 2u) { p = vec4f(a_at(at.x), a_at(k.x), a_at(l.x), a_at(m.x)); }
  if (B_READ == 2u) { q = vec4f(b_at(at.y), b_at(k.y), b_at(l.y), b_at(m.y)); }
  return combine(p, q);
}

/** y from four elements wherever they lie. */
fn one_by_one(e: u32) -> vec4f {
  let last = params.n - 1u;
  let k = locate(min(e, last));
  let l = locate(min(e + 1u, last));
  let m = locate(min(e + 2u, last));
  let n = locate(min(e + 3u, last));
  return combine(vec4f(a_at(k.x), a_at(l.x), a_at(m.x), a_at(n.x)), vec4f(b_at(k.y), b_at(l.y), b_at(m.y), b_at(n.y)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  if (ROW == 2u) {
    let first = locate(4u * i);
    let step = 4u * vec2u(params.a.x, params.b.x);
    // @unroll
    for (var v = 0u; v < VECS; v++) {
      y[i + v] = from_row(first + v * step);
    }
    return;
  }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    if (ROW == 1u) {
      y[i + v] = from_row(locate(min(4u * (i + v), (params.n - 1u) & ~3u)));
    } else {
      y[i + v] = one_by_one(4u * (i + v));
    }
  }
}
