// bilinear       where output pixel o lies among the input pixels, as PyTorch has it (align_corners = false)

/** In [0, size - 1]: pixel centres are at halves, and the border pixels reach outwards. */
fn source(o: u32, size: u32, out_size: u32) -> f32 {
  let at = (f32(o) + 0.5) * (f32(size) / f32(out_size)) - 0.5;
  return clamp(at, 0.0, f32(size - 1u));
}
