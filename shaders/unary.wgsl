// unary          y = f(x), f chosen by OP
//
// Shapes         x, y: (n), same order in memory.
// One thread     VECS adjacent vec4's; the last one may reach past n, into the block's own padding.
// Traffic        x once, y once.
// Numerics       sin, cos, acos, tanh, erf are ours. No min, max or clamp: they would turn NaN into a number.
// Gradient       unary_backward.wgsl        Host  engine/ops/unary.ts        Twin  test/reference/unary.ts
//
// @import common/unary_ops.wgsl
// @import common/trig.wgsl
// @import common/tanh.wgsl
// @import common/gelu.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, p: f32, q: f32 }

@group(0) @binding(0) var<storage, read>       x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform>             params: Params;

fn f(x: vec4f) -> vec4f {
  let p = params.p;
  let q = params.q;
  switch (OP) {
    case AFFINE:     { return p * x + q; }
    case EXP:        { return exp4(x); }
    case LOG:        { return log4(x); }
    case SQRT:       { return sqrt(x); }
    case RSQRT:      { return 1.0 / sqrt(x); }
    case SQUARE:     { return x * x; }
    case POW:        { return pow4(x, p, u32(q)); }
    case ABS:        { return abs(x); }
    case CLAMP:      { return select(select(x, vec4f(p), x < vec4f(p)), vec4f(q), x > vec4f(q)); }
    case SIN:        { return sin4(x); }
    case COS:        { return cos4(x); }
    case ACOS:       { return acos4(x); }
    case TANH:       { return tanh4(x); }
    case SIGMOID:    { return sigmoid4(x); }
    case RELU:       { return select(x, vec4f(0.0), x <= vec4f(0.0)); }
    case LEAKY_RELU: { return select(x, p * x, x <= vec4f(0.0)); }
    case SILU:       { return x / (1.0 + exp(-x)); }
    case GELU:       { return gelu4(x); }
    default:         { return x; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    y[i + v] = f(x[i + v]);
  }
}
