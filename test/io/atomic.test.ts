import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { FileError } from "../../engine/errors.js";
import { explainWriteError, writeAtomic } from "../../engine/io/atomic.js";

const folder = mkdtempSync(join(tmpdir(), "uiface-atomic-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("why: pieces lie one after the other, and the old file is replaced", () => {
  const path = join(folder, "a.bin");
  writeAtomic(path, Uint8Array.of(9, 9, 9, 9));
  writeAtomic(path, [Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3)]);
  expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  expect(readdirSync(folder)).toEqual(["a.bin"]);
});

test("why: a piece that cannot be made leaves the old file and no temporary one", () => {
  const path = join(folder, "a.bin");
  const failing = function* () {
    yield Uint8Array.of(7);
    throw new RangeError("no more");
  };
  expect(() => writeAtomic(path, failing())).toThrow(RangeError);
  expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  expect(readdirSync(folder)).toEqual(["a.bin"]);
});

test("why: a missing folder, a file as folder and a folder as file each have their sentence", () => {
  expect(() => writeAtomic(join(folder, "no", "x"), Uint8Array.of(1))).toThrow(FileError);
  expect(() => writeAtomic(join(folder, "no", "x"), Uint8Array.of(1))).toThrow(
    `the folder ${join(folder, "no")} does not exist`,
  );
  writeFileSync(join(folder, "file"), "");
  expect(() => writeAtomic(join(folder, "file", "x"), Uint8Array.of(1))).toThrow("is not a folder (ENOTDIR)");
  mkdirSync(join(folder, "dir"));
  expect(() => writeAtomic(join(folder, "dir"), Uint8Array.of(1))).toThrow(
    "a folder of that name is in the way (EISDIR)",
  );
});

test("why: a full disk and a missing permission say what to do", () => {
  expect(explainWriteError("runs/a/step-8000.safetensors", "ENOSPC")).toMatchInlineSnapshot(`
    "runs/a/step-8000.safetensors was not written: the disk is full (ENOSPC).
    A file of that name is as it was before. Free some space on the disk of runs/a, or name another place."
  `);
  expect(explainWriteError("/opt/x.npy", "EACCES")).toMatchInlineSnapshot(`
    "/opt/x.npy was not written: this user may not write there (EACCES).
    A file of that name is as it was before. Give yourself permission for /opt, or name another place."
  `);
});
