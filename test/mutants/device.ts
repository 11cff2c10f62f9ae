// Stands in for engine/device.ts where test files import it: all tests of a process share one device, and nobody closes it.

import * as engine from "../../engine/device.js";

export * from "../../engine/device.js";

let shared: engine.Device | undefined;
let family: engine.Family;

export async function openDevice(): Promise<engine.Device> {
  if (shared) return shared;
  shared = Object.assign(await engine.openDevice({ poison: true }), { close: () => {} });
  family = shared.family;
  return shared;
}

/** The device as it was when it was opened, after a test that may have changed or broken it. */
export async function settle(): Promise<void> {
  if (!shared) return;
  await shared.queue.idle().catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));
  const foldAfter = shared.limits.maxComputeWorkgroupsPerDimension;
  Object.assign(shared, { failure: undefined, unexplained: undefined, inspect: undefined, foldAfter, family });
}
