// attention_tiled_query   dq of attention_tiled, and delta for attention_tiled_key: for GPUs
//
//                p = exp(scale q k - lse),  delta = sum over channels of dy y,  dA = p (dy v - delta),  dq = scale sum over keys of dA k
//
// Shapes         as in attention_tiled.wgsl; delta: (B, heads, Lq).
// One workgroup  WORKGROUP queries of one head; keys and values come in tiles.
// One thread     one query: q, dy and dq in registers.
// Traffic        q, y, dy, dq once, k and v once for each workgroup of queries.
// Numerics       f32, keys in order: same input, same bits.
// Next           attention_tiled_key.wgsl        Host  engine/ops/attention_tiled.ts

const D: u32 = 32u;              // channels of a head, a multiple of 4
const WORKGROUP: u32 = 64u;      // queries a workgroup
const TILE: u32 = 16u;           // keys a tile

// @import common/attention_tile.wgsl

@group(0) @binding(0) var<storage, read>       q: array<vec4f>;
@group(0) @binding(1) var<storage, read>       k: array<vec4f>;
@group(0) @binding(2) var<storage, read>       v: array<vec4f>;
@group(0) @binding(3) var<storage, read>       y: array<vec4f>;
@group(0) @binding(4) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(5) var<storage, read>       lse: array<f32>;
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(8) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let own = owner(group.y * grid.x + group.x, params.Lq);
  let query = min(own.z + lane, params.Lq - 1u); // threads past the end do as the last one and store nothing
  let item = own.x;
  if (item >= params.items) { return; }          // the same for all threads, so the barriers below are safe
  let at = token(params.q, item, own.y, query);
  let back = token(params.y, item, own.y, query);
  // @registers
  var row: array<vec4f, DV>;
  // @registers
  var grad: array<vec4f, DV>;
  // @registers
  var sum: array<vec4f, DV>;
  var product = vec4f();
  // @unroll
  for (var d = 0u; d < DV; d++) {
    row[d] = params.scale * q[at + d];
    grad[d] = dy[back + d];
    product = fma(grad[d], y[back + d], product);
  }
  let inner = total(product);
  let norm = lse[(item * params.heads + own.y) * params.Lq + query];

  for (var k0 = 0u; k0 < params.Lk; k0 += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TILE * DV; i += WORKGROUP) {
      let key = min(k0 + i / DV, params.Lk - 1u);
      first_tile[i] = k[token(params.k, item, own.y, key) + i % DV];
      second_tile[i] = v[token(params.v, item, own.y, key) + i % DV];
    }
    workgroupBarrier();
    for (var j = 0u; j < min(TILE, params.Lk - k0); j++) {
      var logit = vec4f();
      var slope = vec4f();
      // @unroll
      for (var d = 0u; d < DV; d++) {
        logit = fma(row[d], first_tile[j * DV + d], logit);
        slope = fma(grad[d], second_tile[j * DV + d], slope);
      }
      let dA = exp(total(logit) - norm) * (total(slope) - inner);
      // @unroll
      for (var d = 0u; d < DV; d++) { sum[d] = fma(vec4f(dA), first_tile[j * DV + d], sum[d]); }
    }
  }

  if (own.z + lane >= params.Lq) { return; }
  // @unroll
  for (var d = 0u; d < DV; d++) { dq[token(params.dq, item, own.y, query) + d] = params.scale * sum[d]; }
  delta[(item * params.heads + own.y) * params.Lq + query] = inner;
}
