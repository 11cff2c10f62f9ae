// The other side of our file formats: PyTorch, NumPy and safetensors in Python, for tests where they are installed.

import { spawnSync } from "node:child_process";

const run = (code: string, args: readonly string[] = []) =>
  spawnSync("python3", ["-c", code, ...args], { encoding: "utf8", maxBuffer: 2 ** 26 });

/** Why the tests with Python cannot run, or undefined. */
export const noPython: string | undefined = (() => {
  const { status, error } = run("import torch, numpy, safetensors.numpy");
  return status === 0
    ? undefined
    : `python3 with torch, numpy and safetensors is missing (${error ?? `exit code ${status}`})`;
})();

/** Runs a script with `sys.argv[1:] = args`; it prints one line of JSON. */
export function python<T>(code: string, args: readonly string[]): T {
  const { status, stdout, stderr } = run(`import sys, json\n${code}`, args);
  if (status !== 0) throw new Error(`python3 ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout) as T;
}
