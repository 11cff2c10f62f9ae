// Saves of a training run, each a folder that is either whole or not there:
//
//   runs/diffusion/step-8000/   state.json              step, settings, and which parts there are
//                               unet.safetensors        a file a part: nets and averages load anywhere as weights
//                               adam.safetensors  ema.safetensors
//
// A save is written under a temporary name, every file forced to disk, then renamed; older ones are removed after that. Whoever
// is killed at any moment leaves the saves before intact, and temporary folders that the next run clears.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FileError } from "../engine/errors.js";
import { explainWriteError, syncFolder, writeAtomic } from "../engine/io/atomic.js";
import type { HostTensor } from "../engine/io/host.js";
import { openSafetensors, type Safetensors, writeSafetensors } from "../engine/io/safetensors.js";
import { hostValues, type Part } from "../engine/state.js";

export type Parts = Readonly<Record<string, Part>>;

/** The contents of state.json. */
export interface SaveInfo {
  format: 1;
  /** Updates done: the step a resumed run begins with. */
  step: number;
  settings: Record<string, unknown>;
  parts: string[];
}

export interface SaveOptions {
  step: number;
  settings: Record<string, unknown>;
  /** How many saves stay, the new one included. Default 2. */
  last?: number;
  /** Steps whose saves are never removed. */
  milestones?: readonly number[];
}

const SAVE = /^step-(\d+)$/;
const LEFTOVER = /^\.step-\d+\..*\.tmp$/;

/**
 * Saves all parts as `<folder>/step-<n>` and removes older saves. A save of that step that is there already stays as it is:
 * a run is a pure function of its settings and step.
 *
 * @returns   the path of the save
 * @throws    FileError if the system refuses; the saves before are as they were
 */
export async function save(folder: string, parts: Parts, options: SaveOptions): Promise<string> {
  const { step, settings } = options;
  const path = join(folder, `step-${step}`);
  if (!saves(folder).some((s) => s.step === step)) {
    const temporary = join(folder, `.step-${step}.${process.pid}.tmp`);
    try {
      system(temporary, () => mkdirSync(temporary, { recursive: true }));
      for (const [name, part] of Object.entries(parts))
        writeSafetensors(join(temporary, `${name}.safetensors`), await hostValues(part));
      const info: SaveInfo = { format: 1, step, settings, parts: Object.keys(parts) };
      writeAtomic(join(temporary, "state.json"), new TextEncoder().encode(`${JSON.stringify(info, null, 2)}\n`));
      system(path, () => renameSync(temporary, path));
      syncFolder(folder);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      const last = saves(folder).at(-1);
      if (error instanceof FileError) {
        error.message = `${error.message.replaceAll(temporary, path)}\nThe last whole save is ${last?.path ?? "none"}.`;
      }
      throw error;
    }
  }
  prune(folder, options);
  return path;
}

/** The saves of a run folder, oldest first. */
export function saves(folder: string): { path: string; step: number }[] {
  return entries(folder)
    .flatMap((name) => (SAVE.test(name) ? [{ path: join(folder, name), step: Number(SAVE.exec(name)![1]) }] : []))
    .sort((a, b) => a.step - b.step);
}

/** Reads state.json of a save. */
export function saveInfo(path: string): SaveInfo {
  const file = join(path, "state.json");
  let info: SaveInfo;
  try {
    info = JSON.parse(readFileSync(file, "utf8")) as SaveInfo;
  } catch (error) {
    throw new FileError(
      `${file} cannot be read: ${(error as Error).message}.\nDelete ${path}: the run then goes on from the save before it.`,
      { cause: error },
    );
  }
  if (info.format === 1 && Number.isInteger(info.step) && Array.isArray(info.parts)) return info;
  throw new FileError(`${file} is not a save of this version.\nDelete ${path}, or use the version that wrote it.`);
}

/** Loads a save into the parts, which must be those that were saved. */
export function load(path: string, parts: Parts): SaveInfo {
  const info = saveInfo(path);
  const [given, saved] = [Object.keys(parts).sort(), [...info.parts].sort()];
  if (given.join() !== saved.join()) {
    throw new FileError(
      `${path} holds ${saved.join(", ")}, but this run has ${given.join(", ")}.\nUse the settings of that save, or name another --out.`,
    );
  }
  for (const [name, part] of Object.entries(parts)) {
    const file = join(path, `${name}.safetensors`);
    try {
      part.load(lazily(openSafetensors(file)));
    } catch (error) {
      if (error instanceof FileError)
        error.message = `${file} is no save of this run.\n${error.message}\nUse the settings in ${join(path, "state.json")}, or name another --out.`;
      throw error;
    }
  }
  return info;
}

/** Removes what killed processes left. Only the holder of the folder's lock may. */
export function clearLeftovers(folder: string): void {
  for (const name of entries(folder))
    if (LEFTOVER.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** A file's tensors, each read when its data is asked for: one at a time in memory. */
function lazily(file: Safetensors): Map<string, HostTensor> {
  return new Map(
    file.names.map((name) => [
      name,
      {
        ...file.info(name),
        get data() {
          return file.read(name).data;
        },
      },
    ]),
  );
}

/** A removed save first loses its name, so that no half-removed folder is ever taken for a save. */
function prune(folder: string, { last = 2, milestones = [] }: SaveOptions): void {
  const removable = saves(folder).filter(({ step }) => !milestones.includes(step));
  for (const { path, step } of removable.slice(0, -last || undefined)) {
    const aside = join(folder, `.step-${step}.removed.tmp`);
    system(path, () => {
      rmSync(aside, { recursive: true, force: true });
      renameSync(path, aside);
      rmSync(aside, { recursive: true, force: true });
    });
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new FileError(`${folder} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

function system<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new FileError(explainWriteError(path, (error as NodeJS.ErrnoException).code ?? "unknown"), { cause: error });
  }
}
