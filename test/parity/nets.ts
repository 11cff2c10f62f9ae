// What the parity cases of whole nets share: one open device, one net at a time, and probes of gradients.

import { device, openDevice, type Precision } from "../../engine/device.js";
import type { Module } from "../../engine/nn.js";
import type { Tensor } from "../../engine/tensor.js";
import { type Golden, paramValue, probe, relativeError } from "../golden.js";
import type { ParityCase } from "./cases.js";

/** Direct convolutions, unless UIFACE_PRECISION (or the command's --precision) asks for a second run: "fast". */
export const precision: Precision = process.env.UIFACE_PRECISION === "fast" ? "fast" : "exact";

/** The bound for whole models: in direct float32 arithmetic, and where kernels choose Winograd's form (golden/README.md). */
export const WHOLE = precision === "exact" ? 1e-4 : 5e-4;

/** Opens a device unless one is open. */
export async function ensureDevice(): Promise<void> {
  try {
    device();
  } catch {
    await openDevice({ precision });
  }
}

let current: { key: string; net: Module } | undefined;

/** A net with the golden weights under `prefix`; the one before it is freed, because two big ones may not fit. */
export async function goldenNet<N extends Module>(
  key: string,
  golden: Golden,
  prefix: string,
  make: () => N,
): Promise<N> {
  if (current?.key === key) return current.net as N;
  await ensureDevice();
  current?.net.dispose();
  const net = make();
  for (const [name, p] of net.entries()) p.write(paramValue(golden.tag + prefix + name, p.shape));
  current = { key, net };
  return net;
}

/** Runs `make` once; every case that needs its result waits for the same one. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A case that compares an array with the golden tensor of its name. */
export const against = (
  golden: Golden,
  file: string,
  name: string,
  got: () => Promise<ArrayLike<number>>,
  allowed = WHOLE,
): ParityCase => ({
  file,
  case: name,
  allowed,
  run: async () => relativeError(await got(), golden.values(name)),
});

/** The gradients of a net as probes, by parameter; frees the gradients. */
export async function gradProbes(net: Module): Promise<Map<string, [number, number]>> {
  const probes = new Map<string, [number, number]>();
  for (const [name, p] of net.namedParameters()) {
    if (!p.grad) continue;
    probes.set(name, probe(name, (await p.grad.read()) as Float32Array));
    p.grad.dispose();
    p.grad = undefined;
  }
  return probes;
}

/**
 * One case for each gradient probe of the file. Some gradients are zero by mathematics and the golden number is rounding noise:
 * the scale is therefore at least a tenth of the median norm.
 */
export function probeCases(
  golden: Golden,
  file: string,
  prefix: string,
  got: () => Promise<Map<string, [number, number]>>,
  allowed = WHOLE,
): ParityCase[] {
  const names = golden.names(new RegExp(`^${prefix}`));
  const norms = names.map((name) => golden.values(name)[0]!).sort((a, b) => a - b);
  const floor = norms[norms.length >> 1]! / 10;
  return names.map((name) => ({
    file,
    case: name,
    allowed,
    run: async () => {
      const want = golden.values(name);
      const have = (await got()).get(name.slice(prefix.length));
      if (!have) throw new Error(`no gradient reached ${name.slice(prefix.length)}`);
      const scale = Math.max(Math.abs(want[0]!), Math.abs(want[1]!), floor);
      return Math.max(Math.abs(have[0] - want[0]!), Math.abs(have[1] - want[1]!)) / scale;
    },
  }));
}

export const floats = async (x: Tensor): Promise<Float32Array> => (await x.read()) as Float32Array;

/** Integers of a golden tensor as ordinary numbers. */
export const integers = (golden: Golden, name: string): number[] =>
  Array.from(golden.read(name).data as ArrayLike<number | bigint>, Number);
