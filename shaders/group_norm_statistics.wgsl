// group_norm_statistics   per (item, chunk of pixels, channel): the mean and m2 = sum of (x - mean)^2
//
// Shapes         x: (B, P, C) or (B, C, P) by the strides, partial: (B, K, 2, C), K = ceil(P / run).
// One thread     one item, one chunk, one unit of T: 4 channels where C lies innermost and is a multiple of 4.
// Traffic        x once, partial once.
// Numerics       sums of x - (the chunk's first x) and of its square: no cancellation against a large mean.
// Next           group_norm_merge.wgsl        Host  engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts

alias T = vec4f;                 // vec4f or f32
const WORKGROUP: u32 = 64u;      // 16 on software adapters

struct Params { items: u32, pixels: u32, units: u32, pixel_stride: u32, unit_stride: u32, chunks: u32, run: u32 }

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read_write> partial: array<T>;
@group(0) @binding(2) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (at >= params.items * params.chunks * params.units) { return; }
  let unit = at % params.units;
  let chunk = at / params.units;                                  // b * chunks + k
  let begin = (chunk % params.chunks) * params.run;
  let n = min(params.run, params.pixels - begin);
  let step = params.pixel_stride;

  var i = chunk / params.chunks * params.pixels * params.units + begin * step + unit * params.unit_stride;
  let first = x[i];
  var s0 = T(); var s1 = T(); var q0 = T(); var q1 = T();
  for (var p = 0u; p < n / 2u; p++) {                             // two a turn: software adapters pay for turns
    let d0 = x[i] - first;
    let d1 = x[i + step] - first;
    s0 += d0; q0 += d0 * d0;
    s1 += d1; q1 += d1 * d1;
    i += 2u * step;
  }
  if (n % 2u == 1u) { let d = x[i] - first; s0 += d; q0 += d * d; }
  let shift = (s0 + s1) / f32(n);
  partial[chunk * 2u * params.units + unit] = first + shift;
  partial[(chunk * 2u + 1u) * params.units + unit] = max((q0 + q1) - shift * (s0 + s1), T());
}
