// group_norm_backward_weight   the gradients of w, bias, scale and shift from the sums per (b, c)
//
//   dscale = w q + bias p,  dshift = p,  dw = sum over b of (1 + scale) q,  dbias = sum over b of (1 + scale) p
//
// Shapes         sums: (B, 2, C) of p = sum d and q = sum d xhat, w, bias, dw, dbias: (C), scale, dscale, dshift: (B, C).
// One thread     one channel, walks b.
// Traffic        sums once.
// Host           engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts

const MODULATED: bool = false;   // true: scale is read, dscale and dshift are written

struct Params { batch: u32, channels: u32 }

@group(0) @binding(0) var<storage, read>       sums: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read>       bias: array<f32>;
@group(0) @binding(3) var<storage, read>       scale: array<f32>;
@group(0) @binding(4) var<storage, read_write> dw: array<f32>;
@group(0) @binding(5) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(6) var<storage, read_write> dscale: array<f32>;
@group(0) @binding(7) var<storage, read_write> dshift: array<f32>;
@group(0) @binding(8) var<uniform>             params: Params;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * 16u + lane;
  if (c >= params.channels) { return; }
  var weight = 0.0;
  var offset = 0.0;
  for (var b = 0u; b < params.batch; b++) {
    let p = sums[b * 2u * params.channels + c];
    let q = sums[(b * 2u + 1u) * params.channels + c];
    var m = 1.0;
    if (MODULATED) {
      m += scale[b * params.channels + c];
      dscale[b * params.channels + c] = w[c] * q + bias[c] * p;
      dshift[b * params.channels + c] = p;
    }
    weight += m * q;
    offset += m * p;
  }
  dw[c] = weight;
  dbias[c] = offset;
}
