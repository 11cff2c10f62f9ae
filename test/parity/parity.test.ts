// The parity cases under vitest, one test per golden file. `npm run test:parity` runs the same and prints every number, and also
// what takes minutes on a software adapter and is left out here: nets of full size, most of the thousand ancestral steps, the
// literal sampler but for one case (PARITY=all brings them in).

import { expect, test } from "vitest";
import "./all.js";
import { line, parityFiles, passed, runParity } from "./cases.js";

const minutes = 60_000;

const fullSize = ["unet_full", "unet_full_grads", "vq_full", "r100"];
const files = parityFiles().filter((file) => process.env.PARITY === "all" || !fullSize.includes(file));

test.each(files)(
  "%s",
  async (file) => {
    const failed: string[] = [];
    let count = 0;
    for await (const result of runParity(file)) {
      count++;
      if (!passed(result)) failed.push(line(result));
    }
    expect(failed).toEqual([]);
    expect(count).toBeGreaterThan(0);
  },
  30 * minutes,
);
