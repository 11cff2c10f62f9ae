// attention_tiled_key   dk and dv of attention_tiled: for GPUs
//
//                p = exp(scale q k - lse),  dA = p (dy v - delta);  sums over queries:  dv = sum p dy,  dk = scale sum dA q
//
// Shapes         as in attention_tiled.wgsl; delta: (B, heads, Lq), from attention_tiled_query.wgsl; dkv: a packed tensor.
// One workgroup  WORKGROUP keys of one head; queries and their gradients come in tiles.
// One thread     one key: k, v, dk and dv in registers.
// Traffic        k, v, dk, dv once, q and dy once for each workgroup of keys.
// Numerics       f32, queries in order: same input, same bits.
// Host           engine/ops/attention_tiled.ts

const D: u32 = 32u;              // channels of a head, a multiple of 4
const WORKGROUP: u32 = 64u;      // keys a workgroup
const TILE: u32 = 16u;           // queries a tile

// @import common/attention_tile.wgsl

@group(0) @binding(0) var<storage, read>       q: array<vec4f>;
@group(0) @binding(1) var<storage, read>       k: array<vec4f>;
@group(0) @binding(2) var<storage, read>       v: array<vec4f>;
@group(0) @binding(3) var<storage, read>       dy: array<vec4f>;
@group(0) @binding(4) var<storage, read>       lse: array<f32>;
@group(0) @binding(5) var<storage, read>       delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> dkv: array<vec4f>;
@group(0) @binding(7) var<uniform>             params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let own = owner(group.y * grid.x + group.x, params.Lk);
  let key = min(own.z + lane, params.Lk - 1u);   // threads past the end do as the last one and store nothing
  let item = own.x;
  if (item >= params.items) { return; }          // the same for all threads, so the barriers below are safe
  let map = (item * params.heads + own.y) * params.Lq;
  // @registers
  var key_row: array<vec4f, DV>;
  // @registers
  var value_row: array<vec4f, DV>;
  // @registers
  var key_sum: array<vec4f, DV>;
  // @registers
  var value_sum: array<vec4f, DV>;
  // @unroll
  for (var d = 0u; d < DV; d++) {
    key_row[d] = params.scale * k[token(params.k, item, own.y, key) + d];
    value_row[d] = v[token(params.v, item, own.y, key) + d];
  }

  for (var q0 = 0u; q0 < params.Lq; q0 += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TILE * DV; i += WORKGROUP) {
      let query = min(q0 + i / DV, params.Lq - 1u);
      first_tile[i] = q[token(params.q, item, own.y, query) + i % DV];
      second_tile[i] = dy[token(params.y, item, own.y, query) + i % DV];
    }
    workgroupBarrier();
    for (var j = 0u; j < min(TILE, params.Lq - q0); j++) {
      var logit = vec4f();
      var slope = vec4f();
      // @unroll
      for (var d = 0u; d < DV; d++) {
        logit = fma(key_row[d], first_tile[j * DV + d], logit);
        slope = fma(value_row[d], second_tile[j * DV + d], slope);
      }
      let p = exp(total(logit) - lse[map + q0 + j]);
      let dA = p * (total(slope) - delta[map + q0 + j]);
      // @unroll
      for (var d = 0u; d < DV; d++) {
        key_sum[d] = fma(vec4f(dA), first_tile[j * DV + d], key_sum[d]);
        value_sum[d] = fma(vec4f(p), second_tile[j * DV + d], value_sum[d]);
      }
    }
  }

  if (own.z + lane >= params.Lk) { return; }
  // @unroll
  for (var d = 0u; d < DV; d++) {
    dkv[token(params.dk, item, own.y, key) + d] = params.scale * key_sum[d];
    dkv[token(params.dv, item, own.y, key) + d] = value_sum[d];
  }
}
