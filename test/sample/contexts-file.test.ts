import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeNpy } from "../../engine/io/npy.js";
import { writeSafetensors } from "../../engine/io/safetensors.js";
import { readContexts } from "../../sample/contexts-file.js";

const folder = mkdtempSync(join(tmpdir(), "contexts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const vector = (...values: number[]) => ({
  shape: [values.length],
  dtype: "f32" as const,
  data: Float32Array.from(values),
});

test("a matrix: its first rows, at length 1", async () => {
  const path = join(folder, "matrix.npy");
  writeNpy(path, { shape: [3, 2], dtype: "f32", data: Float32Array.of(3, 4, 0, 2, 9, 9) });
  const { rows, dim } = await readContexts(path, 2, 2);
  expect(dim).toBe(2);
  expect([...rows]).toEqual([3 / 5, 4 / 5, 0, 1].map(Math.fround));
});

test("vectors by name, in the order of the file, rows of (1, D) too", async () => {
  const path = join(folder, "named.safetensors");
  writeSafetensors(path, [
    ["x/0.png", vector(0, 2)],
    ["y/0.png", { ...vector(3, 4), shape: [1, 2] }],
    ["z/0.png", vector(9, 9)],
  ]);
  expect([...(await readContexts(path, 2, 2)).rows]).toEqual([0, 1, 3 / 5, 4 / 5].map(Math.fround));
  await expect(readContexts(path, 4, 2)).rejects.toThrow("holds 3 identities, 4 are wanted");
});

test("one vector of another length among them is no set of contexts", async () => {
  const path = join(folder, "mixed.safetensors");
  writeSafetensors(path, [
    ["a", vector(0, 2)],
    ["b", vector(0, 2, 3)],
  ]);
  await expect(readContexts(path, 1, 2)).rejects.toThrow("is 2 tensors, but this net takes contexts of shape (N, 2)");
});
