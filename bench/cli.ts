// `uiface tune`: measures the settings of kernels on the adapter at hand and writes its table.

import { Command } from "commander";
import { count, duration, progress } from "../data/progress.js";
import { describe } from "../engine/adapter.js";
import { type Device, openDevice } from "../engine/device.js";
import { UsageError } from "../engine/errors.js";
import { writeAtomic } from "../engine/io/atomic.js";
import { portable } from "../engine/tuning/settings.js";
import { matchOf, type Table } from "../engine/tuning/table.js";
import { text } from "./table.js";
import { type Found, groupsOf, Tuner } from "./tune/tune.js";

interface Flags {
  out: string;
  only?: string;
  quick?: boolean;
  json?: boolean;
}

export function tuneCommand(): Command {
  return new Command("tune")
    .description("Measure the settings of kernels on this adapter, and write a table of the fastest ones.")
    .addHelpText(
      "before",
      "Examples:\n  uiface tune\n  uiface tune --only matmul --quick --out matmul.json\n  UIFACE_TUNING=tuning.json uiface doctor\n",
    )
    .option("--out <file>", "the table to write", "tuning.json")
    .option("--only <group>", "groups whose name begins so: matmul, conv, norm, ...")
    .option("--quick", "fewer shapes and rounds: finds the large gains alone")
    .option("--json", "print the table as one JSON object")
    .action(tune);
}

async function tune({ out, only, quick = false, json }: Flags): Promise<void> {
  const dev = await openDevice();
  if (only !== undefined && !groupsOf(dev.family).some((group) => group.startsWith(only)))
    throw new UsageError(
      `--only ${only}: there is no such group. The ${dev.family} kernels have ${groupsOf(dev.family).join(", ")}.`,
    );
  console.error(`adapter  ${describe(dev.info)} (${dev.kind}, ${dev.family} kernels)`);
  const started = performance.now();
  const interruption = onInterruption();
  const tuner = new Tuner(dev, { only, quick, ...messages(), stopped: () => interruption.signal !== undefined });
  try {
    await tuner.run();
  } finally {
    interruption.end();
    dev.tuning = portable;
    if (tuner.found.length)
      finish(dev, tuner.found, { out, json: json ?? false, seconds: (performance.now() - started) / 1000 });
    dev.close();
  }
  if (interruption.signal) process.exitCode = interruption.signal === "SIGINT" ? 130 : 143;
}

/** Lines and a counter on stderr; on a terminal the counter is one line that is rewritten. */
function messages() {
  const clear = process.stderr.isTTY ? "\r\x1b[K" : "";
  return { say: (line: string) => void process.stderr.write(`${clear}${line}\n`), onRound: progress("rounds") };
}

/** The first Ctrl-C ends the measuring and keeps what was found; the second one ends the process. */
function onInterruption() {
  const signals = ["SIGINT", "SIGTERM"] as const;
  const seen: { signal?: NodeJS.Signals; end(): void } = {
    end: () => {
      for (const name of signals) process.off(name, stop);
    },
  };
  const stop = (signal: NodeJS.Signals) => {
    seen.signal = signal;
    seen.end();
    console.error("\nStopping; what was found is kept.");
  };
  for (const name of signals) process.on(name, stop);
  return seen;
}

function finish(
  dev: Device,
  found: readonly Found[],
  { out, json, seconds }: { out: string; json: boolean; seconds: number },
): void {
  const table = tableOf(dev, found);
  writeAtomic(out, new TextEncoder().encode(`${JSON.stringify(table, null, 2)}\n`));
  if (json) {
    console.log(JSON.stringify(table));
    return;
  }
  const rows = found.map((f) => ({
    ...f,
    chosen: f.chosen === f.portable ? "" : String(f.chosen),
    gain: f.gain || null,
  }));
  const columns = [
    { key: "setting", title: "setting" },
    { key: "portable", title: "portable" },
    { key: "chosen", title: "chosen" },
    { key: "gain", title: "less time", percent: true },
  ];
  console.log(text({ title: "", columns, rows }));
  console.error(`${count(found.length)} settings in ${duration(seconds)}, written: ${out}
Use them with UIFACE_TUNING=${out}, or openDevice({ tuning: "${out}" }).`);
}

/** What the file holds. */
export function tableOf(dev: Device, found: readonly Found[], date = new Date()): Table {
  return {
    name: describe(dev.info),
    adapter: matchOf(dev.kind, dev.info, dev.gpu.features),
    date: date.toISOString().slice(0, 10),
    source: `uiface ${process.argv.slice(2).join(" ")}`,
    settings: Object.fromEntries(found.map((f) => [f.setting, f.chosen])),
    measured: found.filter((f) => f.chosen !== f.portable),
  };
}
