// window         which pixels a pooling window covers, and which windows cover a pixel
//
// Needs          params.kernel, params.stride, params.padding, with padding < kernel
// Promise        ranges [first, end) inside [0, size): of pixels never empty as long as 2 padding <= kernel

fn first_pixel(o: u32) -> u32 { return max(o * params.stride, params.padding) - params.padding; }

fn end_pixel(o: u32, size: u32) -> u32 { return min(o * params.stride + params.kernel - params.padding, size); }

fn first_window(i: u32) -> u32 {
  let at = i + params.padding;
  if (at < params.kernel) { return 0u; }
  return (at - params.kernel) / params.stride + 1u;
}

fn end_window(i: u32, count: u32) -> u32 { return min((i + params.padding) / params.stride + 1u, count); }
