// What a training run leaves is a folder: the run itself, and a folder in it for each save.

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { FileError } from "../engine/errors.js";
import { saveInfo, saves } from "../train/checkpoint.js";
import type { Inspection } from "./inspect.js";

/** Looks at the folder of a run or of a save; throws FileError for any other. */
export function inspectFolder(path: string): Inspection {
  const here = { path, bytes: 0, format: "folder", prefix: "", own: 0, tensors: [], metadata: {}, notes: [] };
  if (existsSync(join(path, "state.json"))) {
    const { step, parts, settings } = saveInfo(path);
    const files = parts.map((part) => join(path, `${part}.safetensors`));
    return {
      ...here,
      bytes: files.reduce((n, file) => n + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0),
      kind: "save",
      what: `the save of a training run after ${step.toLocaleString("en")} steps`,
      metadata: Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, String(value)])),
      notes: files.map((file) => `${file}${existsSync(file) ? "" : " is missing"}`),
      takenBy: ["the `uiface train` command it comes from, with the same --out: it goes on from the newest save"],
    };
  }
  const steps = saves(path);
  if (steps.length || existsSync(join(path, "settings.json"))) {
    const weights = readdirSync(path).filter((name) => name.endsWith(".safetensors"));
    return {
      ...here,
      kind: "run",
      what: `the folder of a training run with ${steps.length === 1 ? "one save" : `${steps.length} saves`}`,
      notes: [...steps.map((save) => save.path), ...weights.map((name) => join(path, name))],
      takenBy: [],
    };
  }
  throw new FileError(
    `${path} is a folder, but neither a training run nor a save of one.\nName a file in it, such as ${join(path, readdirSync(path)[0] ?? "weights.safetensors")}.`,
  );
}
