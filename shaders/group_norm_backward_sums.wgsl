// group_norm_backward_sums   per (item, chunk of pixels, channel): the sums of d and of d (x - mean),  d = dy act'(a (x - mean) + s)
//
// Shapes         x, dy: (B, P, C) or (B, C, P) by the strides, affine: (B, 3, C) of a, s and the group's mean,
//                partial: (B, K, 2, C), K = ceil(P / run).
// One thread     one item, one chunk, one unit of T (4 channels, or 1).
// Traffic        x, dy once, partial once.
// Next           group_norm_backward_merge.wgsl        Host  engine/ops/group_norm.ts

alias T = vec4f;                 // vec4f or f32
const WORKGROUP: u32 = 64u;      // 16 on software adapters
const SILU: bool = false;

struct Params {
  items: u32, pixels: u32, units: u32, pixel_stride: u32, unit_stride: u32, item_stride: u32, chunks: u32, run: u32,
}

@group(0) @binding(0) var<storage, read>       x: array<T>;
@group(0) @binding(1) var<storage, read>       dy: array<T>;
@group(0) @binding(2) var<storage, read>       affine: array<T>;
@group(0) @binding(3) var<storage, read_write> partial: array<T>;
@group(0) @binding(4) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * WORKGROUP + lane;
  if (at >= params.items * params.chunks * params.units) { return; }
  let unit = at % params.units;
  let chunk = at / params.units;                                  // b * chunks + k
  let b = chunk / params.chunks;
  let begin = (chunk % params.chunks) * params.run;
  let n = min(params.run, params.pixels - begin);
  let a = affine[b * params.item_stride + unit];
  let s = affine[b * params.item_stride + params.units + unit];
  let mean = affine[b * params.item_stride + 2u * params.units + unit];

  var i = b * params.pixels * params.units + begin * params.pixel_stride + unit * params.unit_stride;
  var sum = T();
  var product = T();
  for (var p = 0u; p < n; p++) {
    let here = x[i] - mean;
    var d = dy[i];
    if (SILU) {
      let z = a * here + s;
      let sigmoid = 1.0 / (1.0 + exp(-z));
      d *= sigmoid * (1.0 + z * (1.0 - sigmoid));
    }
    sum += d;
    product += d * here;
    i += params.pixel_stride;
  }
  partial[chunk * 2u * params.units + unit] = sum;
  partial[(chunk * 2u + 1u) * params.units + unit] = product;
}
