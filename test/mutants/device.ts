// Stands in for engine/device.ts where test files import it: all tests of a process share one device, and nobody closes it.

import * as engine from "../../engine/device.js";

export * from "../../engine/device.js";

let shared: engine.Device | undefined;
let family: engine.Family;

/** Set when the adapter gave up on a mutant: the process cannot go on. */
export let lost = false;

export async function openDevice(): Promise<engine.Device> {
  if (shared) return shared;
  shared = Object.assign(await engine.openDevice({ poison: true }), { close: () => {} });
  family = shared.family;
  shared.gpu.lost.then(() => {
    lost = true;
  });
  return shared;
}

/** What test/fences.ts does after every test. */
export async function verify(): Promise<void> {
  await shared?.pool.guard?.verify();
}

/** The device as it was when it was opened, after a test that may have changed or broken it. */
export async function settle(passed: boolean): Promise<void> {
  if (!shared) return;
  await shared.queue.idle().catch(() => {});
  const compiling = shared as unknown as { awaited: number };
  do await new Promise((resolve) => setImmediate(resolve));
  while (compiling.awaited > 0 && !lost);
  const foldAfter = shared.limits.maxComputeWorkgroupsPerDimension;
  Object.assign(shared, { failure: undefined, unexplained: undefined, inspect: undefined, foldAfter, family });
  if (!passed) await verify().catch(() => {});
}
