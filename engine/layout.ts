// Conversion between the two memory layouts, without the tape (engine/ops/layout.ts records it).

import { inParts } from "./parts.js";
import { kernel } from "./shader.js";
import { empty, type Layout, planes, type Tensor } from "./tensor.js";

/** `x` itself if it lies so already, else a copy in the other layout. */
export function toLayout(x: Tensor, layout: Layout): Tensor {
  if (x.layout === layout) return x;
  const { channels, pixels } = planes(x.shape);
  const y = empty(x.shape, x.dtype, layout);
  // (B, C, P) -> (B, P, C) is a transpose of each item, and so is the way back.
  const [rows, cols] = layout === "channels_last" ? [channels, pixels] : [pixels, channels];
  inParts({ x, y }, (part, batch) => {
    const tiles = [Math.ceil(cols / 64), Math.ceil(rows / 4), batch] as const;
    kernel("transpose").run(part, { rows, cols, batch }, { workgroups: tiles });
  });
  return y;
}
