import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Device, openDevice } from "../../engine/device.js";
import { FileError } from "../../engine/errors.js";
import type { HostTensor } from "../../engine/io/host.js";
import { openSafetensors } from "../../engine/io/safetensors.js";
import { loadInto, type Part } from "../../engine/state.js";
import { type Tensor, tensor } from "../../engine/tensor.js";
import { clearLeftovers, load, save, saveInfo, saves } from "../../train/checkpoint.js";
import { lockFolder } from "../../train/lock.js";

let dev: Device;
let folder: string;
beforeAll(async () => {
  dev = await openDevice({ poison: true });
});
afterAll(() => dev.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uiface-save-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A part of two tensors, one of them channels-last. */
class Pair implements Part {
  readonly tensors: Map<string, Tensor>;
  constructor(first: number) {
    const numbers = (n: number) => Array.from({ length: n }, (_, i) => first + i / 7);
    this.tensors = new Map([
      ["a.weight", tensor(numbers(24), [2, 4, 3], "f32", "channels_last")],
      ["a.count", tensor([first], [1], "u32")],
    ]);
  }
  stateDict() {
    return this.tensors;
  }
  load(values: ReadonlyMap<string, HostTensor>) {
    loadInto(this.tensors, values, "the pair");
  }
  async read() {
    return [...(await this.tensors.get("a.weight")!.read()), ...(await this.tensors.get("a.count")!.read())];
  }
}

const settings = { lr: 0.1, data: "x" };
const names = () => saves(folder).map(({ step }) => step);

test("why: what is loaded is what was saved, to the bit and in PyTorch's order", async () => {
  const part = new Pair(5);
  const path = await save(folder, { net: part, other: new Pair(9) }, { step: 12, settings });
  expect(saveInfo(path)).toEqual({ format: 1, step: 12, settings, parts: ["net", "other"] });
  const file = openSafetensors(join(path, "net.safetensors"));
  expect([...(file.read("a.weight").data as Float32Array)]).toEqual([...(await part.tensors.get("a.weight")!.read())]);

  const [net, other] = [new Pair(1), new Pair(2)];
  expect(load(path, { other, net }).step).toBe(12);
  expect(await net.read()).toEqual(await part.read());
  expect(await other.read()).toEqual(await new Pair(9).read());
});

test("why: the last two stay, milestones too; 10 comes after 9", async () => {
  const parts = { net: new Pair(1) };
  for (const step of [0, 5, 9, 10]) await save(folder, parts, { step, settings, milestones: [0] });
  expect(names()).toEqual([0, 9, 10]);
  await save(folder, parts, { step: 11, settings, last: 1 });
  expect(names()).toEqual([11]);
  expect(readdirSync(folder)).toEqual(["step-11"]);
});

test("why: a process killed between two writes leaves the saves before and nothing that looks like one", async () => {
  const parts = { net: new Pair(1) };
  await save(folder, parts, { step: 1, settings });
  const half = join(folder, ".step-2.999.tmp");
  mkdirSync(half);
  writeFileSync(join(half, "net.safetensors"), "half");
  writeFileSync(join(half, ".state.json.999.0.tmp"), "{");
  mkdirSync(join(folder, ".step-0.removed.tmp")); // killed while an old one was removed
  expect(names()).toEqual([1]);
  expect(load(saves(folder).at(-1)!.path, { net: new Pair(3) }).step).toBe(1);
  clearLeftovers(folder);
  expect(readdirSync(folder)).toEqual(["step-1"]);
});

test("why: a save that fails half-way must not cost the one before", async () => {
  const good = new Pair(1);
  await save(folder, { net: good }, { step: 1, settings });
  const bad: Part = {
    stateDict: () => {
      throw new FileError("the disk is full");
    },
    load: () => {},
  };
  await expect(save(folder, { net: good, bad }, { step: 2, settings })).rejects.toThrow(
    `The last whole save is ${join(folder, "step-1")}`,
  );
  expect(readdirSync(folder)).toEqual(["step-1"]);
});

test("why: a save of other parts or of another net is refused by name", async () => {
  const path = await save(folder, { net: new Pair(1) }, { step: 1, settings });
  expect(() => load(path, { net: new Pair(1), ema: new Pair(1) })).toThrow("holds net, but this run has ema, net");
  writeFileSync(join(path, "state.json"), "{");
  expect(() => load(path, { net: new Pair(1) })).toThrow(
    /state.json cannot be read[\s\S]*goes on from the save before it/,
  );
});

test("why: two runs in one folder would overwrite each other's saves", () => {
  const release = lockFolder(folder);
  expect(() => lockFolder(folder)).toThrow(`in use by process ${process.pid} of this machine`);
  release();
  lockFolder(folder)();
  expect(readdirSync(folder)).toEqual([]);
});

/** A process that is dead but whose parent, a shell turned into sleep, does not wait for it. */
function spawnZombie(): { parent: ChildProcess; pid: number } {
  const file = join(folder, "pid");
  const parent = spawn("sh", ["-c", `true & echo $! > "${file}"; exec sleep 30`]);
  for (let tries = 0; tries < 100 && !existsSync(file); tries++) spawnSync("sleep", ["0.05"]);
  spawnSync("sleep", ["0.1"]);
  const pid = existsSync("/proc/self/stat") ? Number(readFileSync(file, "utf8")) : 0;
  rmSync(file);
  return { parent, pid };
}

test("why: the lock of a dead process must not stop a resumed run, that of another machine must", () => {
  const path = join(folder, ".lock");
  const write = (owner: object) => writeFileSync(path, JSON.stringify(owner));
  const host = hostname();
  write({ pid: 2 ** 22 + 1, host, began: "" }); // above any pid of Linux
  lockFolder(folder)();
  write({ pid: process.pid, host, began: "another boot 1" }); // the pid was given out again
  lockFolder(folder)();
  writeFileSync(path, '{"pid": 1'); // cut short
  lockFolder(folder)();
  const zombie = spawnZombie();
  write({ pid: zombie.pid, host, began: "" });
  if (zombie.pid) lockFolder(folder)();
  zombie.parent.kill("SIGKILL");
  expect(readdirSync(folder)).toEqual([]);
  write({ pid: 1, host: `not ${host}`, began: "" });
  expect(() => lockFolder(folder)).toThrow(`delete ${path}`);
  expect(JSON.parse(readFileSync(path, "utf8")).pid).toBe(1);
});
