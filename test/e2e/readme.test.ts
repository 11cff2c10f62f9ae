// The README's program is a file that runs: from a clone, by the package's own name.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });

test("why: a reader copies the snippet of the README, not the file beside it", () => {
  const [, snippet] = /```js\n([\s\S]*?)```/.exec(read("README.md")) ?? [];
  expect(read("examples/four-words.mjs").replace(/^\/\/.*\n\n/, "")).toBe(snippet);
});

test("why: the engine can be imported by name once it is built, and its gradient is the formula's", () => {
  const built = node("setup.mjs", "build");
  expect(built.status, built.stderr).toBe(0);
  const { status, stdout, stderr } = node("examples/four-words.mjs");
  expect(status, stderr).toBe(0);
  // y = mean log softmax(x w):  dw = x^T (1/2 - p), and p_1 + p_2 = 1, so columns differ in sign, rows go as x = 1, 2, 3.
  const dw = stdout.match(/-?\d+\.\d+/g)!.map(Number);
  expect(dw.length).toBe(6);
  for (const [i, g] of dw.entries()) expect(g).toBeCloseTo((Math.floor(i / 2) + 1) * dw[0]! * (i % 2 ? -1 : 1), 5);
  expect(Math.abs(dw[0]!)).toBeGreaterThan(0.01);
});
