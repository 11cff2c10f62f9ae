import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** They take longest, and are short files: vitest, which goes by length of the file, would leave them to the end, with one worker idle. */
const LONGEST = ["test/parity/parity", "test/e2e/train", "test/e2e/demo", "test/train/gan"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => (LONGEST.some((name) => moduleId.includes(name)) ? 0 : 1);
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

// Two files at a time: an adapter in software takes all cores for its kernels, and leaves all but one idle between them.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/fences.ts"],
    maxWorkers: 2,
    pool: "forks",
    sequence: { sequencer: LongestFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
