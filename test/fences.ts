// After every test: no kernel may have written behind a tensor (engine/guard.ts). vitest.config.ts runs this in every test file.

import { afterEach } from "vitest";
import { device } from "../engine/device.js";

afterEach(async () => {
  let guard: ReturnType<typeof device>["pool"]["guard"];
  try {
    const dev = device();
    dev.check();
    guard = dev.pool.guard;
  } catch {
    return; // no device, or a test that broke its own
  }
  await guard?.verify();
});
