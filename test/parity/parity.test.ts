// The parity cases under vitest, one test per golden file. `npm run test:parity` runs the same and prints every number.

import { expect, test } from "vitest";
import "./all.js";
import { line, parityFiles, passed, runParity } from "./cases.js";

const minutes = 60_000; // the whole UNet with gradients takes minutes on a software adapter

test.each(parityFiles())(
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
