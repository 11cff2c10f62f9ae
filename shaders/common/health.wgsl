// Health: what the last gradient looked like. Written by grad_norm_total.wgsl, read by every kernel that changes weights.

struct Health {
  norm: f32,      // of all gradients together, before clipping
  scale: f32,     // what the gradients are multiplied by: 1, or less where they are clipped
  stopped: u32,   // number of the first update whose norm was not finite; 0 while there was none
}
