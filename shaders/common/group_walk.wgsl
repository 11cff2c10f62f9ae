// group_walk     where the elements of a group lie: i counts them as they follow each other in x
//
// Needs          params.groups, pixels, first, x_strides, y_strides: vec2u of (pixel, channel); const WIDTH: u32, LAST: bool
// Order          LAST (channels lie innermost): the WIDTH channels of a pixel, then the next pixel. Else the pixels of a channel,
//                then the next channel. Neighbours in i are neighbours in x either way.

/** Channel, within its group, of element i. */
fn channel_of(i: u32) -> u32 { return select(i / params.pixels, i % WIDTH, LAST); }

/** From the first element of the group to element i, in a tensor with these strides. */
fn place_of(i: u32, strides: vec2u) -> u32 {
  let pixel = select(i % params.pixels, i / WIDTH, LAST);
  return pixel * strides.x + channel_of(i) * strides.y;
}

/** The first element of group `at`, counted over all items, in such a tensor. */
fn group_start(at: u32, strides: vec2u) -> u32 {
  let item = at / params.groups * params.groups * WIDTH * params.pixels;
  return item + at % params.groups * WIDTH * strides.y;
}

/** Of a tensor whose first params.first channels are one tensor and whose others are a second: which, and where there. */
fn pair_place(at: u32, i: u32) -> vec2u {
  let row = at / params.groups * params.pixels + i / WIDTH;
  let c = at % params.groups * WIDTH + i % WIDTH;
  if (c < params.first) { return vec2u(0u, row * params.first + c); }
  return vec2u(1u, row * (params.groups * WIDTH - params.first) + c - params.first);
}
