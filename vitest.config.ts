import { defineConfig } from "vitest/config";

// Two files at a time: an adapter in software takes all cores for its kernels, and leaves all but one idle between them.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/fences.ts"],
    maxWorkers: 2,
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
