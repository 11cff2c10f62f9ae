// What the training scripts share about their images.

import { openImages } from "../data/open.js";
import type { PixelSet } from "../data/pixels.js";
import { progress } from "../data/progress.js";

export interface DataSettings {
  data: string;
  size: number;
  seed: number;
  strict: boolean;
}

/** Opens `--data`, with a line on stderr while people are drawn. The drawn set does not depend on the run's seed. */
export async function openData({ data, size, strict }: DataSettings): Promise<PixelSet> {
  const set = await openImages(data, { size, strict, onProgress: progress("drawing") });
  console.error(`data     ${data}: ${set.labels.length} images of ${set.names.length} people, ${size} px`);
  return set;
}
