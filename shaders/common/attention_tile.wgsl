// attention_tile   the frame of the attention_tiled kernels: who owns what, and a tile of two sequences in workgroup memory
//
// Needs          const D, WORKGROUP, TILE: u32
// Sequences      (B, C', L) channels_last, C' at least the channels of all heads: a packed tensor holds several side by side.
//                `place` is the element of its first channel, the elements from a token to the next, and from an item to the next.

struct Params {
  items: u32, heads: u32, Lq: u32, Lk: u32,
  scale: f32,
  q: vec4u, k: vec4u, v: vec4u, y: vec4u,        // (first, token, item, -) of each; y also stands for dy
  dq: vec4u, dk: vec4u, dv: vec4u,               // for the way back
}

const DV: u32 = D / 4u;                          // vec4f's of a head
var<workgroup> first_tile: array<vec4f, TILE * DV>;
var<workgroup> second_tile: array<vec4f, TILE * DV>;

/** Item, head, and first row (query or key) of a workgroup. */
fn owner(group: u32, L: u32) -> vec3u {
  let blocks = (L + WORKGROUP - 1u) / WORKGROUP;
  let head = group / blocks;
  return vec3u(head / params.heads, head % params.heads, group % blocks * WORKGROUP);
}

/** The vec4f at which a head's channels of a token begin. */
fn token(place: vec4u, item: u32, head: u32, row: u32) -> u32 {
  return (place.x + item * place.z + row * place.y + head * D) / 4u;
}

fn total(v: vec4f) -> f32 { return (v.x + v.y) + (v.z + v.w); }
