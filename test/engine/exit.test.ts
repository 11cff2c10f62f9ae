// How a process with a device ends. Run in children: esbuild bundles each script to a temporary folder inside the project, where
// Node finds the packages.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const LIMIT_MS = 20_000;

/** Opens a device and makes work that takes a software adapter a while; then `end`. */
const script = (end: string) => `
  import { openDevice, device } from "./engine/device.js";
  import { kernel, perElement } from "./engine/shader.js";
  import { tensor, empty } from "./engine/tensor.js";
  const dev = await openDevice();
  const n = 1 << 20;
  const x = tensor(new Float32Array(n).fill(1)), y = empty([n]);
  for (let i = 0; i < 200; i++) kernel("add").run({ a: x, b: x, y }, { n }, perElement(n));
  ${end}
  console.log("end");
`;

const scripts = {
  closed: "if ((await y.read())[n - 1] !== 2) throw new Error('wrong sum'); dev.close();",
  inFlight: "dev.queue.submit(); dev.close();",
  recorded: "dev.close();",
  readInFlight: "const read = y.read().catch((e) => console.log('refused', e.message)); dev.close(); await read;",
  neverClosed: "if ((await y.read())[n - 1] !== 2) throw new Error('wrong sum');",
  neverClosedInFlight: "dev.queue.submit();",
  thrown: "throw new Error('on purpose');",
};

let folder: string;
beforeAll(async () => {
  mkdirSync(join(root, "dist"), { recursive: true });
  folder = mkdtempSync(join(root, "dist", "exit-"));
  for (const [name, end] of Object.entries(scripts)) {
    await build({
      stdin: { contents: script(end), resolveDir: root, loader: "ts" },
      absWorkingDir: root,
      outfile: join(folder, `${name}.mjs`),
      bundle: true,
      format: "esm",
      platform: "node",
      packages: "external",
      // source.ts looks for shaders/ beside its own folder
      define: { "import.meta.url": JSON.stringify(new URL("../../engine/source.ts", import.meta.url).href) },
    });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

function run(name: keyof typeof scripts): Promise<Ended> {
  const child = spawn(process.execPath, [join(folder, `${name}.mjs`)], { cwd: root });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let [out, err] = ["", ""];
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  return new Promise((resolve) => {
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, out, err });
    });
  });
}

const ended = { code: 0, signal: null };

test("a closed device lets the process end by itself", async () => {
  expect(await run("closed")).toMatchObject({ ...ended, out: "end\n" });
});

test("why: close() with submitted work, with recorded work or with a read under way must neither hang nor crash", async () => {
  expect(await run("inFlight")).toMatchObject({ ...ended, out: "end\n" });
  expect(await run("recorded")).toMatchObject({ ...ended, out: "end\n" });
  expect(await run("readInFlight")).toMatchObject({
    ...ended,
    out: "refused The device is closed: openDevice() again.\nend\n",
  });
});

test("why: Dawn dies with a signal when its instance is collected: a process that never closes must end too", async () => {
  expect(await run("neverClosed")).toMatchObject({ ...ended, out: "end\n" });
  expect(await run("neverClosedInFlight")).toMatchObject({ ...ended, out: "end\n" });
});

test("an error that nobody catches ends with code 1 and its message, not with a signal", async () => {
  const { code, signal, err } = await run("thrown");
  expect({ code, signal }).toEqual({ code: 1, signal: null });
  expect(err).toContain("on purpose");
});
