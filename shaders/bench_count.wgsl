// bench_count    y[0] = y[0] + step: almost nothing, to measure what a dispatch itself costs
//
// Shapes         y: (4).
// One workgroup  is one thread, and there is one.
// Numerics       a count stays exact up to 2^24, so the sum says whether every dispatch ran, in order.
// Traffic        4 bytes in, 4 out.
// Host           bench/gpu/dispatch.ts
//
// Dispatches that bind the same y must wait for each other, because each reads what the one before wrote; with a y of their
// own they may overlap. The parameter makes a dispatch as dear for the host as one of the engine's own: a bind group with a
// dynamic offset.

struct Params { step: f32 }

@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<uniform>             params: Params;

@compute @workgroup_size(1)
fn main() {
  y[0] += params.step;
}
