// 9. PyTorch on the same machine, at the same sizes: on CUDA where it has it, else on the CPU (which says nothing about a GPU).

import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { unets } from "../../models/configs.js";
import { quantile } from "../compare.js";
import type { Cells } from "../table.js";
import { bytesFor, streamName } from "./bandwidth.js";
import { convShapes, nameOf } from "./conv.js";
import { dispatchCount, ENGINE_CALL } from "./dispatch.js";
import { ceilingOf, matmulName, sizeFor } from "./matmul.js";
import type { Context, Stage } from "./stage.js";
import { batchFor, stepName } from "./step.js";

/** A line of pytorch.py's output. */
export interface TorchRow {
  /** The name of our row that does the same. */
  ours: string;
  /** f32, tf32 or f16. */
  precision: string;
  samples: number[];
  work?: number;
  unit?: string;
}

export const pytorchStage: Stage = {
  name: "pytorch",
  title: "PyTorch beside it",
  seconds: 100,
  async run(context) {
    const python = findPython();
    if (!python) {
      context.skip("No python3 with torch was found. Install both (pip install torch) to have the ratio.");
      return;
    }
    const ceiling = await ceilingOf(context);
    const bytes = bytesFor(context, await context.open());
    context.close(); // the memory is PyTorch's now
    context.note(`PyTorch ${python.version} on ${python.device}.`);
    const rows: Cells[] = [];
    const add = (row: TorchRow) => {
      rows.push(cellsOf(row));
    };
    const failed = await runScript(python.command, requestFor(context, ceiling, bytes), add);
    if (rows.length) {
      context.table({
        title: `PyTorch ${python.version}, ${python.device}`,
        note: "Medians; on CUDA by its events. f16: halves in memory, for the step autocast with a scaled loss.",
        columns: [
          { key: "name", title: "what" },
          { key: "ms", title: "ms" },
          { key: "rate", title: "rate" },
          { key: "unit", title: "" },
        ],
        rows,
      });
    }
    if (failed) throw new Error(failed);
  },
};

/** A row of the table, with the name of ours that it stands beside. */
const cellsOf = ({ ours, precision, samples, work, unit }: TorchRow): Cells => {
  const ms = quantile(samples, 0.5);
  const rate = work === undefined ? {} : { rate: work / 1e9 / (ms / 1000), unit: unit ?? "GFLOP/s" };
  return { name: `${ours}, PyTorch ${precision}`, ours, precision, ms, samples, ...rate };
};

/** What pytorch.py is to measure: the sizes that the stages before have. */
function requestFor(context: Context, ceiling: number, bytes: number): object {
  const n = sizeFor(context, ceiling);
  const B = context.software ? 1 : context.quick ? 16 : 64;
  return {
    rounds: context.rounds,
    matmul: { name: matmulName(n), n },
    convs: convShapes.map((shape) => ({ ...shape, name: nameOf(shape, B), B })),
    memory: { copy: streamName("copy", "vec4f", bytes), triad: streamName("triad", "vec4f", bytes), bytes },
    dispatches: { name: ENGINE_CALL, count: dispatchCount(context) },
    ...(context.software ? {} : { unet: unetRequest(batchFor(context, ceiling)) }),
  };
}

/** The paper's net, random weights: its speed does not depend on them. */
const unetRequest = (B: number) => ({ name: stepName(B), B, config: unets.unet_cond_ca_cpd25_uncond20 });

/** An interpreter that has torch. */
interface Python {
  command: string;
  version: string;
  device: string;
}

const PROBE =
  "import torch; c = torch.cuda.is_available(); print(torch.__version__); print(torch.cuda.get_device_name() if c else 'CPU')";

/** The first of some commands that has torch; PYTHON names another. */
export function findPython(): Python | undefined {
  for (const command of process.env.PYTHON ? [process.env.PYTHON] : ["python3", "python"]) {
    const found: SpawnSyncReturns<string> = spawnSync(command, ["-c", PROBE], { encoding: "utf8", timeout: 60_000 });
    const [version, device] = found.status === 0 ? found.stdout.trim().split("\n") : [];
    if (version && device) return { command, version, device };
  }
  return undefined;
}

/** Hands over rows as they come; returns why the script ended early, if it did. */
function runScript(command: string, request: object, add: (row: TorchRow) => void): Promise<string | undefined> {
  const child = spawn(command, ["-uB", script("pytorch.py")], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(JSON.stringify(request));
  let said = "";
  child.stderr.on("data", (text) => {
    said = (said + String(text)).slice(-1000);
  });
  createInterface({ input: child.stdout }).on("line", (line) => add(JSON.parse(line) as TorchRow));
  return new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code) => resolve(code === 0 ? undefined : `python ended with ${code}\n${said.trim()}`));
  });
}

/** bench/gpu/<name>, seen from here or from the bundle. */
export function script(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, "bench", "gpu", name);
    if (existsSync(path)) return path;
    if (folder === dirname(folder)) throw new Error(`bench/gpu/${name} is not above this program.`);
  }
}
