// Which output pixels a grid z of a convolution owns, where they lie in y, and where their first tap falls in x.
//
// Needs          the constant TRANSPOSED; params.x_size, y_size, stride and pad, as conv2d_broadcast.wgsl has them

// The output pixels of one z: `size` of them, from `remainder` on in steps of the stride where TRANSPOSED, and their taps.
struct Part { size: vec2u, remainder: vec2u, first_tap: vec2u, tap_step: vec2u }

fn part_of(z: u32) -> Part {
  if (!TRANSPOSED) { return Part(params.y_size, vec2u(), vec2u(), vec2u(1u)); }
  let r = vec2u(z / params.stride.y, z % params.stride.y);
  let size = (params.y_size + params.stride - 1u - r) / params.stride;
  return Part(size, r, (r + params.pad) % params.stride, params.stride);
}

// Four output pixels, and where their first tap falls in x.
struct Pixels { image: vec4u, row: vec4i, col: vec4i }

fn pixels_of(n: vec4u, part: Part) -> Pixels {
  let image = n / (part.size.x * part.size.y);
  let row = n / part.size.y % part.size.x;
  let col = n % part.size.y;
  if (TRANSPOSED) {
    let first = (part.remainder + params.pad) / params.stride;
    return Pixels(image, vec4i(row + first.x), vec4i(col + first.y));
  }
  let pad = vec2i(params.pad);
  return Pixels(image, vec4i(row * params.stride.x) - pad.x, vec4i(col * params.stride.y) - pad.y);
}

// Where output pixel n of a part lies in y.
fn place_of(n: u32, part: Part) -> u32 {
  if (!TRANSPOSED) { return n; }
  let at = vec2u(n / part.size.y % part.size.x, n % part.size.y) * params.stride + part.remainder;
  return (n / (part.size.x * part.size.y) * params.y_size.x + at.x) * params.y_size.y + at.y;
}
