// DEBUG=nan: names the first kernel that made a value that is not finite.

import type { Device } from "./device.js";
import { TrainingStopped } from "./errors.js";
import { keep } from "./scope.js";
import { kernel } from "./shader.js";
import { empty, Tensor } from "./tensor.js";

const NONE = 0xffffffff;

/** Scans every f32 output of every kernel from now on; `findNonfinite` (or the next `settle` of a training loop) reports. */
export function watch(dev: Device): void {
  const first = keep(empty([2], "u32"));
  first.write(new Uint32Array([NONE, NONE]));
  const calls: { label: string; elements: number }[] = [];
  dev.inspect = ({ label, outputs }) => {
    for (const y of outputs.filter(({ dtype }) => dtype === "f32")) {
      const x = new Tensor(y.storage.retain(), [y.size], "u32", "plain", y.offset);
      const call = calls.push({ label, elements: y.size }) - 1;
      // The scan is a run of a kernel too: it ends here, because what it writes is no f32.
      kernel("find_nonfinite").run({ x, first }, { n: y.size, call }, { workgroups: Math.ceil(y.size / 64) });
      x.dispose();
    }
  };
  dev.reportNonfinite = async () => {
    const [call, index] = await first.read();
    if (call === NONE) return;
    const made = calls[call!]!;
    throw new TrainingStopped(`First value that is not finite: ${made.label}, output element ${index} of ${made.elements} (kernel call ${call}).
Lower the learning rate, or look at that kernel's inputs with DEBUG=nan and fewer steps.`);
  };
}
