// unary_backward dx = dy f'(x), f chosen by OP and f' written in s: x or y, whichever the host has saved
//
// Shapes         s, dy, dx: (n), same order in memory.
// One thread     VECS adjacent vec4's; the last one may reach past n, into the block's own padding.
// Traffic        s, dy once, dx once.
// Numerics       at kinks PyTorch's choice: 0 for abs and relu, the slope for leaky_relu, 1 for clamp.
// Gradient of    unary.wgsl        Host  engine/ops/unary.ts        Twin  test/reference/unary.ts
//
// @import common/unary_ops.wgsl
// @import common/trig.wgsl
// @import common/gelu.wgsl

const VECS: u32 = 4u;            // 4 on software adapters, 1 on GPUs

struct Params { n: u32, p: f32, q: f32 }

@group(0) @binding(0) var<storage, read>       s: array<vec4f>;
@group(0) @binding(1) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(3) var<uniform>             params: Params;

/** f' from x, or from y = f(x) where the case says so. */
fn df(x: vec4f) -> vec4f {
  let y = x;
  let p = params.p;
  let q = params.q;
  let zero = vec4f(0.0);
  let one = vec4f(1.0);
  switch (OP) {
    case EXP:        { return y; }
    case LOG:        { return 1.0 / x; }
    case SQRT:       { return 0.5 / y; }
    case RSQRT:      { return -0.5 * y * y * y; }
    case SQUARE:     { return 2.0 * x; }
    case POW:        { return p * pow4(x, p - 1.0, u32(q)); }
    case ABS:        { return sign(x); }
    case CLAMP:      { return select(zero, one, (x >= vec4f(p)) & (x <= vec4f(q))); }
    case SIN:        { return cos4(x); }
    case COS:        { return -sin4(x); }
    case ACOS:       { return -1.0 / sqrt((1.0 - x) * (1.0 + x)); }
    case TANH:       { return (1.0 - y) * (1.0 + y); }
    case SIGMOID:    { return y * (1.0 - y); }
    case RELU:       { return select(zero, one, y > zero); }
    case LEAKY_RELU: { return select(vec4f(p), one, x > zero); }
    case SILU:       { let a = sigmoid4(x); return a * (1.0 + x * (1.0 - a)); }
    case GELU:       { return gelu_slope4(x); }
    default:         { return one; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = ((group.y * grid.x + group.x) * 64u + lane) * VECS;
  if (i * 4u >= params.n) { return; }
  // @unroll
  for (var v = 0u; v < VECS; v++) {
    dx[i + v] = dy[i + v] * df(s[i + v]);
  }
}
