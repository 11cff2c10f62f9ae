// `uiface doctor`: what adapter there is, what it can do, whether it computes correctly and how fast.

import { Command } from "commander";
import { describe, NoAdapterError } from "../engine/adapter.js";
import { type Device, openDevice } from "../engine/device.js";
import { selfTest } from "./self-test.js";

const shown = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupStorageSize",
] as const;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Show the WebGPU adapter, its limits and features, and test that it computes correctly.")
    .addHelpText("before", "Examples:\n  uiface doctor\n  UIFACE_ADAPTER=swiftshader uiface doctor --json\n")
    .option("--json", "print one JSON object")
    .action(doctor);
}

async function doctor(options: { json?: boolean }): Promise<void> {
  const dev = await openDevice().catch((error: unknown) => {
    if (options.json && error instanceof NoAdapterError) console.log(JSON.stringify(nothing(error), null, 2));
    throw error;
  });
  const report = await reportOn(dev);
  const failed = report.selfTest.some((t) => !t.ok);
  const next = failed
    ? "This adapter computes wrong results: choose another with UIFACE_ADAPTER, or update its driver."
    : dev.kind === "gpu"
      ? "All well. Next: npm start"
      : `All well, in software. A GPU would be ${dev.kind === "lavapipe" ? "10 to 1,000" : "50 to 5,000"} times faster: install its Vulkan driver if this machine has one. Next: npm start`;
  if (options.json) console.log(JSON.stringify({ ...report, next }, null, 2));
  else print(report, next);
  dev.close();
  if (failed) process.exitCode = 1;
}

type Report = Awaited<ReturnType<typeof reportOn>>;

const reportOn = async (dev: Device) => ({
  adapter: describe(dev.info),
  kind: dev.kind,
  tried: dev.attempts,
  family: dev.family,
  tuning: dev.tuningName,
  subgroupSize: dev.subgroupSize ?? null,
  features: [...dev.gpu.features].sort(),
  limits: Object.fromEntries(shown.map((name) => [name, dev.limits[name]])),
  selfTest: await selfTest(dev),
  node: process.versions.node,
});

/** The report of a machine without an adapter. */
const nothing = ({ attempts, next }: NoAdapterError) => ({
  adapter: null,
  tried: attempts,
  node: process.versions.node,
  next,
});

/** Which table of settings (docs/kernels.md), and what a GPU that nobody measured gains by one. */
const settingsLine = ({ tuning, kind }: Report): string =>
  tuning === "portable" && kind === "gpu" ? "portable; `uiface tune` makes a table for this GPU" : tuning;

function print(report: Report, next: string): void {
  const lines = [
    `adapter    ${report.adapter} (${report.kind})`,
    ...report.tried.map((t) => `tried      ${t.kind.padEnd(12)} ${t.found ?? t.reason}`),
    `kernels    ${report.family}, subgroup size ${report.subgroupSize ?? "not fixed"}, settings: ${settingsLine(report)}`,
    `features   ${report.features.filter((f) => /f16|subgroups|timestamp/.test(f)).join(", ") || "none of f16, subgroups, timestamps"}`,
    ...Object.entries(report.limits).map(
      ([name, value]) => `limit      ${name.padEnd(36)} ${value.toLocaleString("en")}`,
    ),
    ...report.selfTest.map(
      (t) =>
        `${t.ok ? "ok  " : "FAIL"}       ${t.name.padEnd(24)} error ${t.error.toExponential(1)} (allowed ${t.allowed})   ${t.rate}`,
    ),
    "",
    next,
  ];
  console.log(lines.join("\n"));
}
