// 1. What the adapter says about itself, and what Dawn's toggles change in that.

import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import { type FoundAdapter, findAdapter } from "../../engine/adapter.js";
import type { Context, Stage } from "./stage.js";

/** Sets of toggles to ask with: experimental features, and f16 where Dawn holds it back (NVIDIA on Vulkan). */
const TOGGLES: readonly (readonly string[])[] = [
  [],
  ["allow_unsafe_apis"],
  ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"],
];

/** Of the adapter's info when it has subgroup matrices; the typings do not know it yet. */
interface MatrixConfig {
  componentType: string;
  resultComponentType: string;
  M: number;
  N: number;
  K: number;
}

/** What nvidia-smi is asked: what a rate depends on beside the card's name. */
const SMI = [
  "name",
  "driver_version",
  "memory.total",
  "power.limit",
  "clocks.max.sm",
  "clocks.sm",
  "clocks.mem",
  "temperature.gpu",
  "pcie.link.gen.current",
  "pcie.link.width.current",
  "ecc.mode.current",
  "mig.mode.current",
];

export const adapterStage: Stage = {
  name: "adapter",
  title: "Adapter",
  seconds: 20,
  async run(context) {
    const dev = await context.open();
    const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = dev.info;
    facts(context, "The adapter", {
      ...{ description, vendor, architecture, device, kind: dev.kind, "kernel family": dev.family },
      subgroups: `${subgroupMinSize} to ${subgroupMaxSize}`,
      ...tried(dev.attempts),
    });
    facts(context, "The machine", machine());
    const kind = dev.kind === "browser" ? undefined : dev.kind;
    const found: FoundAdapter[] = []; // held: Dawn's instance must outlive what it gave
    for (const set of TOGGLES) found.push(await findAdapter({ kind, toggles: set }));
    toggles(context, found);
    const { limits } = found[0]!.adapter;
    facts(
      context,
      "Limits of the adapter",
      namesOf(limits).map((name) => [name, limits[name]] as const),
    );
  },
};

/** Which adapters were asked before this one, and why they were not taken. */
const tried = (attempts: readonly { kind: string; found?: string; reason?: string }[]): Record<string, string> =>
  Object.fromEntries(attempts.map((a) => [`tried: ${a.kind}`, a.found ?? a.reason ?? ""]));

/** Names of limits, without the typings' brand. */
type Limit = Exclude<keyof GPUSupportedLimits, "__brand">;

/** The names stand on the prototype, as getters. */
const namesOf = (limits: GPUSupportedLimits): Limit[] =>
  Object.getOwnPropertyNames(Object.getPrototypeOf(limits))
    .filter((name): name is Limit => typeof Reflect.get(limits, name) === "number")
    .sort();

/** Features and matrix shapes with each set of toggles, one adapter a set. */
function toggles(context: Context, found: readonly FoundAdapter[]): void {
  const features: Record<string, string>[] = [];
  const matrices: Record<string, string | number>[] = [];
  let before: string[] = [];
  for (const [i, { adapter }] of found.entries()) {
    const name = TOGGLES[i]!.join(", ") || "none";
    const has = [...adapter.features].map(String).sort();
    features.push({ name, features: has.filter((f) => !before.includes(f)).join(", ") || "nothing more" });
    before = has;
    for (const { componentType, resultComponentType, M, N, K } of configsOf(adapter.info))
      matrices.push({ name, operands: componentType, result: resultComponentType, shape: `${M} x ${N} x ${K}` });
  }
  context.table({
    title: "Features, by toggles",
    note: "Each row lists what it has beyond the row before.",
    columns: ["name", "features"].map((key) => ({ key, title: key === "name" ? "toggles" : key })),
    rows: features,
  });
  if (!matrices.length) {
    context.note("No subgroup matrices with any of these toggles: kernels on matrix units cannot run here.");
    return;
  }
  context.table({
    title: "Subgroup matrices, by toggles",
    columns: ["name", "operands", "result", "shape"].map((key) => ({ key, title: key === "name" ? "toggles" : key })),
    rows: matrices,
  });
}

/** Empty where the adapter or this Dawn does not have them. */
function configsOf(info: GPUAdapterInfo): MatrixConfig[] {
  try {
    return [...((Reflect.get(info, "subgroupMatrixConfigs") as Iterable<MatrixConfig> | undefined) ?? [])];
  } catch {
    return [];
  }
}

/** What is left undefined is not shown. */
type Facts = Record<string, string | number | undefined>;

/** A table of names and values. */
function facts(context: Context, title: string, of: Facts | (readonly [string, string | number | undefined])[]): void {
  const entries = Array.isArray(of) ? of : Object.entries(of);
  context.table({
    title,
    columns: [
      { key: "name", title: "what" },
      { key: "value", title: "value" },
    ],
    rows: entries.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => ({ name, value })),
  });
}

/** No name of the machine or its user: the report is meant to be sent. */
function machine(): Facts {
  const smi = output("nvidia-smi", [`--query-gpu=${SMI.join(",")}`, "--format=csv,noheader"]);
  const values = smi?.split("\n")[0]?.split(", ") ?? [];
  return {
    system: `${process.platform} ${release()} ${process.arch}`,
    processor: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} threads`,
    "memory GiB": Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    ...Object.fromEntries(SMI.map((name, i) => [`nvidia-smi ${name}`, values[i]])),
  };
}

/** Undefined where the program is missing or fails. */
function output(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 5000 });
  } catch {
    return undefined;
  }
}
