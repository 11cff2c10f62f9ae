// group_norm_backward_weight   the gradients of w, bias and modulation from the sums per (b, c)
//
//   dscale = w q + bias p,  dshift = p,  dw = sum over b of (1 + scale) q,  dbias = sum over b of (1 + scale) p  (+ plus)
//
// Shapes         sums: (B, 2, C) of p = sum d and q = sum d xhat, w, bias, dw, dbias: (C), modulation, dmodulation:
//                (B, 2, C) of scale and shift.
// One thread     one channel, walks b.
// PLUS_W, PLUS_BIAS   plus_w and plus_bias, (C), are added: what other uses of w and bias have sent back.
// Traffic        sums once.
// Host           engine/ops/group_norm.ts        Twin  test/reference/group_norm.ts

const PLUS_W: bool = false;
const PLUS_BIAS: bool = false;
const MODULATED: bool = false;   // true: modulation is read, dmodulation is written

struct Params { batch: u32, channels: u32 }

@group(0) @binding(0) var<storage, read>       sums: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read>       bias: array<f32>;
@group(0) @binding(3) var<storage, read>       modulation: array<f32>;
@group(0) @binding(4) var<storage, read>       plus_w: array<f32>;
@group(0) @binding(5) var<storage, read>       plus_bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> dw: array<f32>;
@group(0) @binding(7) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(8) var<storage, read_write> dmodulation: array<f32>;
@group(0) @binding(9) var<uniform>             params: Params;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * 16u + lane;
  if (c >= params.channels) { return; }
  var weight = 0.0;
  var offset = 0.0;
  if (PLUS_W) { weight = plus_w[c]; }
  if (PLUS_BIAS) { offset = plus_bias[c]; }
  for (var b = 0u; b < params.batch; b++) {
    let at = b * 2u * params.channels + c;
    let p = sums[at];
    let q = sums[at + params.channels];
    var m = 1.0;
    if (MODULATED) {
      m += modulation[at];
      dmodulation[at] = w[c] * q + bias[c] * p;
      dmodulation[at + params.channels] = p;
    }
    weight += m * q;
    offset += m * p;
  }
  dw[c] = weight;
  dbias[c] = offset;
}
