import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import * as refusals from "../../engine/io/refusals.js";

/** The modules that opening a file loads. */
function loaded(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, from] of readFileSync(path, "utf8").matchAll(/from "(\.[^"]+)\.js"/g)) {
    loaded(`${normalize(join(dirname(path), from!))}.ts`, seen);
  }
  return seen;
}
const readers = [...loaded("engine/io/open.ts"), ...loaded("data/verification-bin.ts")];
const text = readers
  .filter((path) => !path.endsWith("refusals.ts"))
  .map((path) => readFileSync(path, "utf8"))
  .join("\n");

test("why: the list is the truth: each reason is used, and none has its own full stop", () => {
  const lists = Object.entries(refusals).filter(([name]) => name.endsWith("Reasons"));
  expect(lists.length).toBeGreaterThan(5);
  for (const [list, reasons] of lists) {
    for (const [name, reason] of Object.entries(reasons as Record<string, unknown>)) {
      expect(text.includes(`${list}.${name}`), `${list}.${name} is used`).toBe(true);
      if (typeof reason === "string") expect(reason).not.toMatch(/\.$/);
    }
  }
});

test("why: a message is what is wrong, where, and the way out", () => {
  const refuse = refusals.refusal("a.pt:archive/data.pkl", "torch");
  expect(() => refuse(refusals.pickleReasons.call("os.system"))).toThrow(
    'a.pt:archive/data.pkl is refused: it calls "os.system", which is not on the list.\n' +
      "Nothing was loaded and nothing was run. Save the state dict alone: torch.save(model.state_dict(), path).",
  );
});

test("why: a reader neither runs nor writes anything: it imports nothing that could", () => {
  const writers = /(atomic|npy|safetensors)\.ts$/;
  expect(readers.length).toBeGreaterThan(15);
  for (const path of readers.filter((name) => !writers.test(name))) {
    const source = readFileSync(path, "utf8");
    expect(source, path).not.toMatch(/child_process|worker_threads|node:vm|\beval\(|new Function|import\(/);
    if (!path.endsWith("source.ts")) expect(source, path).not.toMatch(/from "node:fs/);
    expect(source, path).not.toMatch(/\b(write|append|mkdir|rename|unlink|rm|createWriteStream)\w*Sync\b|writeAtomic/);
  }
});
