// bench_f16      y = f(x, z) in f16, f chosen by OP: for a comparison of every f16 number with float64
//
// Shapes         x, z, y: (2 n) halves, two in an element.
// One thread     one element.
// Numerics       WebGPU's own functions, none of ours: what is measured is the adapter.
// Host           bench/gpu/f16.ts

enable f16;

const OP: u32 = 0u;              // a place in the list of the host

struct Params { n: u32 }

@group(0) @binding(0) var<storage, read>       x: array<vec2h>;
@group(0) @binding(1) var<storage, read>       z: array<vec2h>;
@group(0) @binding(2) var<storage, read_write> y: array<vec2h>;
@group(0) @binding(3) var<uniform>             params: Params;

fn f(x: vec2h, z: vec2h) -> vec2h {
  switch (OP) {
    case 1u:  { return x + z; }
    case 2u:  { return x * z; }
    case 3u:  { return x / z; }
    case 4u:  { return fma(x, z, x); }
    case 5u:  { return vec2h(vec2f(x) * vec2f(z)); }      // f32 between: the conversion back is rounded
    case 6u:  { return exp(x); }
    case 7u:  { return exp2(x); }
    case 8u:  { return log(x); }
    case 9u:  { return log2(x); }
    case 10u: { return sqrt(x); }
    case 11u: { return inverseSqrt(x); }
    case 12u: { return sin(x); }
    case 13u: { return cos(x); }
    case 14u: { return max(x, z); }
    case 15u: { return min(x, z); }
    case 16u: { return abs(x); }
    case 17u: { return floor(x); }
    case 18u: { return select(x, z, x < z); }
    default:  { return x; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.n) { return; }
  y[id.x] = f(x[id.x], z[id.x]);
}
