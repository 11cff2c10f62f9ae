// npm run bench -- --first: how long a fresh process takes to its first result, the UNet of the paper on one latent.
//
// Most of it is the compilation of kernels. Mesa keeps what it compiled on disk, so lavapipe is timed with an empty cache and with
// the one that this run left; SwiftShader keeps nothing, and a GPU's driver decides for itself.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDevice } from "../engine/device.js";
import { noGrad } from "../engine/tape.js";
import { sizeOf, zeros } from "../engine/tensor.js";
import { unets } from "../models/configs.js";
import { UNet } from "../models/unet.js";
import type { Table } from "./table.js";

/** What the measured process is started with. */
export const FRESH = "--fresh-process";

/** Seconds since the process began. */
export type FirstResult = {
  /** The device is open. */
  device: number;
  /** The net's 216 million numbers are on the adapter. */
  net: number;
  /** The first result is read. */
  first: number;
  /** One more forward pass, for comparison: seconds of it alone. */
  again: number;
};

/** What the fresh process does; main.ts prints it as JSON. */
export async function firstResult(): Promise<FirstResult> {
  const seconds = () => performance.now() / 1000; // since the process began
  const dev = await openDevice();
  const device = seconds();
  const unet = new UNet(unets.unet_cond_ca_cpd25_uncond20);
  for (const [, p] of unet.entries()) p.write(new Float32Array(sizeOf(p.shape)).fill(0.01)); // as a file would fill it
  await dev.queue.idle();
  const net = seconds();
  const x = zeros([1, 3, 32, 32]);
  const context = zeros([1, unet.config.context_input_channels]);
  const forward = () => noGrad(() => unet.forward(x, 500, context)).read();
  await forward();
  const first = seconds();
  await forward();
  const again = seconds() - first;
  dev.close();
  return { device, net, first, again };
}

/** A fresh process, and what Mesa had compiled before. */
export type FirstRow = { compiled: string } & FirstResult;

/** Runs fresh processes, one after the other: without compiled kernels on the disk, and with them. */
export function measureFirst(): FirstRow[] {
  const cache = mkdtempSync(join(tmpdir(), "uiface-cache-"));
  try {
    return ["nothing", "all kernels"].map((compiled) => ({ compiled, ...inFreshProcess(cache) }));
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

function inFreshProcess(cache: string): FirstResult {
  const env = { ...process.env, MESA_SHADER_CACHE_DIR: cache, MESA_SHADER_CACHE_DISABLE: "false" };
  const child = spawnSync(process.execPath, [process.argv[1]!, FRESH], { env, encoding: "utf8" });
  if (child.status !== 0) throw new Error(`The measured process ended with code ${child.status}:\n${child.stderr}`);
  return JSON.parse(child.stdout) as FirstResult;
}

export const firstTable = (rows: readonly FirstRow[]): Table => ({
  title: "First result of a fresh process",
  note: "The paper's UNet on one latent. Seconds since the process began; the last column is one more forward pass alone.",
  columns: [
    { key: "compiled", title: "compiled before" },
    { key: "device", title: "device is open", digits: 2 },
    { key: "net", title: "net is filled", digits: 2 },
    { key: "first", title: "first result", digits: 2 },
    { key: "again", title: "one more", digits: 2 },
  ],
  rows,
});
