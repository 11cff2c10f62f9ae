// `npm run gpu` and `npm run bench -- compare` as people run them: bundled, in processes of their own.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { script } from "../../bench/gpu/pytorch.js";
import { runStage } from "../../bench/gpu/run-stage.js";
import { writeSafetensors } from "../../engine/io/safetensors.js";
import { loadGolden, paramValue, relativeError } from "../golden.js";
import { noPython, python } from "../python.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
let home: string;

beforeAll(async () => {
  mkdirSync(join(root, "dist"), { recursive: true });
  home = mkdtempSync(join(root, "dist", "gpu-"));
  symlinkSync(join(root, "shaders"), join(home, "shaders"), "junction");
  copyFileSync(join(root, "package.json"), join(home, "package.json"));
  await build({
    ...{ absWorkingDir: root, entryPoints: { gpu: "bench/gpu.ts", bench: "bench/main.ts" } },
    ...{ outdir: join(home, "bin"), outExtension: { ".js": ".mjs" }, bundle: true, packages: "external" },
    ...{ format: "esm", platform: "node", keepNames: true, logLevel: "error" },
  });
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const run = (program: "gpu" | "bench", args: readonly string[]) =>
  spawnSync(process.execPath, [join(home, "bin", `${program}.mjs`), ...args], { cwd: home, encoding: "utf8" });

test("why: an unattended run leaves both files, whatever the adapter", { timeout: 600_000 }, () => {
  const { status, stderr, stdout } = run("gpu", ["--quick", "--only", "adapter,dispatch", "--out", "out", "--json"]);
  expect(status, stderr).toBe(0);
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({ adapter: expect.stringMatching(/kernels\)$/), quick: true });
  expect(result.stages.map((s: { name: string; state: string }) => [s.name, s.state])).toEqual([
    ["adapter", "ok"],
    ["dispatch", "ok"],
  ]);
  const [adapter, dispatch] = result.stages;
  const values = Object.fromEntries(
    adapter.tables.flatMap((t: { rows: { name: string; value: unknown }[] }) => t.rows.map((r) => [r.name, r.value])),
  );
  expect(values).toMatchObject({ maxBufferSize: expect.any(Number), node: process.versions.node });
  for (const row of dispatch.tables[0].rows) expect(row.encodeUs, row.name).toBeGreaterThan(0);
  const files = readdirSync(join(home, "out")).sort();
  expect(files).toEqual([expect.stringMatching(/\.html$/), expect.stringMatching(/\.json$/)]);
  const html = readFileSync(join(home, "out", files[0]!), "utf8");
  expect(html).toContain("<svg");
  expect(html).not.toMatch(/(?:src|href)="http/);
  expect(JSON.parse(readFileSync(join(home, "out", files[1]!), "utf8"))).toEqual(result);
});

test("why: a stage that does not exist is a typing error, told before anything runs", () => {
  const { status, stderr } = run("gpu", ["--only", "adaptor"]);
  expect(status).toBe(2);
  expect(stderr).toContain('"adaptor" is no stage');
});

describe("a stage that goes wrong costs itself alone", () => {
  const stage = { name: "s", title: "S", seconds: 20 };
  const table = JSON.stringify({ table: { title: "before", columns: [], rows: [] } });
  const child = (code: string, seconds = 20) => runStage({ ...stage, seconds }, [process.execPath, "-e", code]);

  test("why: a driver that crashes takes its process with it; what came before is kept", async () => {
    const result = await child(`console.log('${table}'); setTimeout(() => process.kill(process.pid, "SIGSEGV"), 200)`);
    expect(result).toMatchObject({ state: "failed", reason: "ended by SIGSEGV", tables: [{ title: "before" }] });
  });

  test("why: a hang ends with the stage's time", async () => {
    const result = await child(`console.log('${table}'); setInterval(() => {}, 1000)`, 2);
    expect(result).toMatchObject({ state: "out of time", tables: [{ title: "before" }] });
    expect(result.seconds).toBeLessThan(15);
  });

  test("why: the stage's own message is better than an exit code; a library's words are no result", async () => {
    const result = await child(`console.log("hello"); console.log('{"error":"lost"}'); process.exitCode = 1`);
    expect(result).toMatchObject({ state: "failed", reason: "lost", tables: [] });
    expect(await child("throw new Error('why')")).toMatchObject({ reason: expect.stringContaining("Error: why") });
    expect(await runStage(stage, ["/nowhere"])).toMatchObject({ reason: expect.stringContaining("ENOENT") });
  });

  test("why: nothing to measure is no failure", async () => {
    expect(await child(`console.log('{"skipped":"no f16"}')`)).toMatchObject({ state: "skipped", reason: "no f16" });
  });
});

test("why: scripts ask compare by its exit code", () => {
  const write = (name: string, ms: number) => {
    const head = { adapter: "card", date: "2026-11-24", command: "npm run bench" };
    writeFileSync(join(home, name), JSON.stringify({ ...head, rows: [{ name: "x", ms }] }));
  };
  write("a.json", 1);
  write("b.json", 2);
  const slower = run("bench", ["compare", "a.json", "b.json", "--json"]);
  expect(slower.status, slower.stderr).toBe(1);
  expect(JSON.parse(slower.stdout)).toMatchObject({ slower: ["x"], rows: [{ ratio: 2 }] });
  expect(run("bench", ["compare", "b.json", "a.json", "--out", "c.html"]).status).toBe(0);
  expect(readFileSync(join(home, "c.html"), "utf8")).toContain("faster");
  expect(run("bench", ["compare", "a.json"]).status).toBe(2);
  expect(run("bench", ["compare", "a.json", "missing.json"]).status).toBe(4);
  expect(run("bench", ["--onyl", "x"]).status).toBe(2);
});

test.skipIf(noPython)("why: PyTorch's step is compared with ours only if its net is the same", () => {
  const golden = loadGolden("unet_small");
  const config = golden.json<object>("config");
  const folder = script("unet.py").replace(/unet\.py$/, "");
  const listing = `sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import torch
from unet import UNet
net = UNet(json.loads(sys.argv[2])).eval()
`;
  const shapes = python<[string, number[]][]>(
    `${listing}print(json.dumps([(name, list(p.shape)) for name, p in net.named_parameters()]))`,
    [folder, JSON.stringify(config)],
  );
  const f32 = (name: string, shape: number[], data: Float32Array<ArrayBuffer>) =>
    [name, { shape, dtype: "f32", data }] as [
      string,
      { shape: number[]; dtype: "f32"; data: Float32Array<ArrayBuffer> },
    ];
  const given = ["x", "context", "t"].map((name) => f32(`given.${name}`, golden.shape(name), golden.values(name)));
  const weights = shapes.map(([name, shape]) => f32(name, shape, paramValue(golden.tag + name, shape)));
  const path = join(home, "unet.safetensors");
  writeSafetensors(path, [...weights, ...given]);
  const eps = python<number[]>(
    `${listing}from safetensors.torch import load_file
file = load_file(sys.argv[3])
given = {name: file.pop("given." + name) for name in ["x", "context", "t"]}
net.load_state_dict(file)
with torch.no_grad():
    eps = net(given["x"], given["t"], given["context"])
print(json.dumps(eps.flatten().tolist()))`,
    [folder, JSON.stringify(config), path],
  );
  expect(relativeError(eps, golden.values("eps_cond"))).toBeLessThan(1e-4);
});
