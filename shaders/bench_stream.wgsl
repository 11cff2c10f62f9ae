// bench_stream   y = a, or with TRIAD y = a + s b: how fast memory streams, by the type of an access
//
// Shapes         a, b, y: (n) elements of T, same order in memory.
// One thread     one element: neighbours read neighbours.
// Traffic        a (and b) once, y once.
// Numerics       whole numbers below 2048 are exact in f16 too.
// Host           bench/gpu/bandwidth.ts, which puts `enable f16;` before the text where T is a type of halves

alias S = f32;                   // the scalar of T: f32 or f16
alias T = vec4f;                 // f32, vec4f, f16 or vec4h
const TRIAD: bool = false;

struct Params { n: u32, s: f32 }

@group(0) @binding(0) var<storage, read>       a: array<T>;
@group(0) @binding(1) var<storage, read>       b: array<T>;
@group(0) @binding(2) var<storage, read_write> y: array<T>;
@group(0) @binding(3) var<uniform>             params: Params;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 256u + lane;
  if (i >= params.n) { return; }
  if (TRIAD) {
    y[i] = a[i] + T(S(params.s)) * b[i];
  } else {
    y[i] = a[i];
  }
}
