// bench_fma      y[t] = sum of VECS chains c = fma(c, a, b), turns * DEPTH long: what the adapter's multiply-adds can do
//
// Shapes         y: (threads, 4).
// One thread     keeps VECS independent accumulators; DEPTH steps a turn are written out, since on software adapters a
//                variable carried round a loop is spilled once a turn and a loop of one step measures the spills.
// Traffic        16 bytes out: nothing but registers is measured.
// Host           bench/ceilings.ts

const VECS: u32 = 8u;            // accumulators: enough to hide the latency of a multiply-add
const DEPTH: u32 = 16u;          // steps written out

struct Params { turns: u32, a: f32, b: f32 }

@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform>             params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(params.a);
  let b = vec4f(params.b);
  // @registers
  var c: array<vec4f, VECS>;
  // @unroll
  for (var v = 0u; v < VECS; v++) { c[v] = vec4f(f32(id.x + v)); }
  for (var turn = 0u; turn < params.turns; turn++) {
    // @unroll
    for (var d = 0u; d < DEPTH; d++) {
      // @unroll
      for (var v = 0u; v < VECS; v++) { c[v] = fma(c[v], a, b); }
    }
  }
  var sum = vec4f();
  // @unroll
  for (var v = 0u; v < VECS; v++) { sum += c[v]; }
  y[id.x] = sum;
}
