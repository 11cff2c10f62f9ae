// The command as users run it: bundled, in a process of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  code: number | null;
  out: string;
  /** stderr, with the test's folder written as OUT. */
  err: string;
}

export interface Running {
  child: ChildProcess;
  ended: Promise<Ended>;
  /** Resolves once `reached` is true; rejects if the process ends before. */
  until(reached: () => boolean): Promise<void>;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** A shell line that is run instead, with the command as "$@". */
  shell?: string;
}

export interface Command {
  /** A fresh folder for each test, removed afterwards. */
  readonly out: string;
  start(args: readonly string[], options?: RunOptions): Running;
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
}

/** Bundles bin/uiface.ts for the tests of one file, below dist/, where Node finds the packages and git looks away. */
export function command(): Command {
  const state = { home: "", out: "" };
  beforeAll(async () => {
    mkdirSync(join(root, "dist"), { recursive: true });
    state.home = mkdtempSync(join(root, "dist", "e2e-"));
    for (const folder of ["shaders", "weights"]) symlinkSync(join(root, folder), join(state.home, folder), "junction");
    copyFileSync(join(root, "package.json"), join(state.home, "package.json"));
    await build({
      absWorkingDir: root,
      entryPoints: { uiface: "bin/uiface.ts" },
      outdir: join(state.home, "bin"),
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      packages: "external",
      keepNames: true,
      logLevel: "error",
    });
  });
  afterAll(() => rmSync(state.home, { recursive: true, force: true }));
  beforeEach(() => {
    state.out = mkdtempSync(join(state.home, "out-"));
  });
  const running = new Set<ChildProcess>();
  afterEach(() => {
    for (const child of running) child.kill("SIGKILL"); // a test that failed may have left some
    running.clear();
    rmSync(state.out, { recursive: true, force: true });
  });
  const start = (args: readonly string[], options?: RunOptions) => {
    const started = startIn(state.home, state.out, args, options);
    running.add(started.child);
    started.child.on("exit", () => running.delete(started.child));
    return started;
  };
  return {
    get out() {
      return state.out;
    },
    start,
    run: (args, options) => start(args, options).ended,
  };
}

function startIn(home: string, folder: string, args: readonly string[], { env = {}, shell }: RunOptions = {}): Running {
  const line = [process.execPath, join(home, "bin", "uiface.mjs"), ...args];
  const [file, rest] = shell ? ["/bin/sh", ["-c", shell, "sh", ...line]] : [line[0]!, line.slice(1)];
  const child = spawn(file, rest, {
    cwd: folder,
    env: { ...process.env, UIFACE_ADAPTER: process.env.UIFACE_ADAPTER || "swiftshader", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (text) => {
    out += text;
  });
  child.stderr.on("data", (text) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err: err.replaceAll(folder, "OUT") }));
  });
  const until = async (reached: () => boolean) => {
    while (!reached()) {
      if (child.exitCode !== null || child.signalCode) throw new Error(`The command ended too early: ${err}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  };
  return { child, ended, until };
}

/** The bytes of a file of weights, or undefined if it is not there. */
export const bytes = (path: string): Buffer | undefined => (existsSync(path) ? readFileSync(path) : undefined);
