// DEBUG=nan: names the first kernel that made a value that is not finite.

import type { Device } from "./device.js";
import { TrainingStopped } from "./errors.js";
import type { Block } from "./pool.js";
import { keep } from "./scope.js";
import { kernel } from "./shader.js";
import { empty, Storage, Tensor } from "./tensor.js";

const NONE = 0xffffffff;

/** Scans every f32 output of every kernel from now on; `findNonfinite` (or the next `settle` of a training loop) reports. */
export function watch(dev: Device): void {
  const first = keep(empty([2], "u32"));
  first.write(new Uint32Array([NONE, NONE]));
  const calls: { kernel: string; elements: number }[] = [];
  let inside = false; // the scan is a kernel too
  dev.inspect = (name, block: Block, offset, elements) => {
    if (inside || name === "find_nonfinite") return;
    inside = true;
    const storage = new Storage(dev, block).retain(); // the count of two is never released: the block stays its owner's
    const x = new Tensor(storage, [elements], "u32", "plain", offset);
    const call = calls.push({ kernel: name, elements }) - 1;
    kernel("find_nonfinite").run({ x, first }, { n: elements, call }, { workgroups: Math.ceil(elements / 64) });
    x.dispose();
    inside = false;
  };
  dev.reportNonfinite = async () => {
    const [call, index] = await first.read();
    if (call === NONE) return;
    const made = calls[call!]!;
    throw new TrainingStopped(`First value that is not finite: ${made.kernel}, output element ${index} of ${made.elements} (kernel call ${call}).
Lower the learning rate, or look at that kernel's inputs with DEBUG=nan and fewer steps.`);
  };
}
