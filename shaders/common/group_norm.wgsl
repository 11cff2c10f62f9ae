// group_norm     the affine map a normalisation comes to: y = a[b, c] (x - mean) + s[b, c]
//
// Needs          params.batch, groups, channels, pixels, chunks, run, eps, count; const AFFINE, MODULATED: bool;
//                w, modulation: arrays of f32, modulation (B, 2, C) of scale and shift
// Partial sums   partial[b, k, 0 .. 1, c]: two numbers of `run` pixels (fewer in the last chunk of an item) of one channel.
//                A result batch owns `chunks` of them; batch norm owns those of every item, so a chunk's place in its
//                item is k % (chunks of one item).

struct Params {
  batch: u32,          // items with statistics of their own: B for group norm, 1 for batch norm
  groups: u32,
  channels: u32,
  pixels: u32,         // of one item in memory
  chunks: u32,         // partial sums of a channel in all that is merged
  item_chunks: u32,    // and in one item in memory
  run: u32,            // pixels of a chunk
  count: f32,          // elements of a group
  eps: f32,
}

/** Pixels in chunk k. */
fn pixels_of(k: u32) -> f32 {
  return f32(min(params.run, params.pixels - (k % params.item_chunks) * params.run));
}

fn partial_index(b: u32, k: u32, which: u32, c: u32) -> u32 {
  return ((b * params.chunks + k) * 2u + which) * params.channels + c;
}

/** 1 + scale, or 1. */
fn factor(b: u32, c: u32) -> f32 {
  if (MODULATED) { return 1.0 + modulation[b * 2u * params.channels + c]; }
  return 1.0;
}

/** What multiplies the normalised x: w (1 + scale). */
fn gain(b: u32, c: u32) -> f32 {
  if (AFFINE) { return w[c] * factor(b, c); }
  return factor(b, c);
}
