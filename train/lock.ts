// One process a run folder. The lock is a file that names its owner; that of a dead process is taken over.

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { FileError, UsageError } from "../engine/errors.js";
import { explainWriteError } from "../engine/io/atomic.js";

interface Owner {
  pid: number;
  host: string;
  /** When the process began, as the system counts it, so that a reused pid is not taken for its old owner. "" if unknown. */
  began: string;
}

/**
 * Takes the lock of `folder`, which exists.
 *
 * @returns   the function that gives it back; the end of the process does too
 * @throws    UsageError if a living process holds it
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, ".lock");
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), began: beginningOf(process.pid) } satisfies Owner);
  if (!create(path, mine)) {
    const found = read(path);
    if (found !== undefined) {
      refuseIfAlive(folder, path, found);
      setAside(path, found);
    }
    if (!create(path, mine))
      throw new UsageError(
        `${folder} was taken by another process just now. Wait for it to end, or name another --out.`,
      );
  }
  const release = () => {
    if (read(path) === mine) rmSync(path, { force: true });
    process.off("exit", release);
  };
  process.on("exit", release);
  return release;
}

/** False if the file is there already. */
function create(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new FileError(explainWriteError(path, code ?? "unknown"), { cause: error });
  }
}

/** Removes a dead owner's lock. If another process was faster and what was moved is its fresh lock, that is put back. */
function setAside(path: string, stale: string): void {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    renameSync(path, aside);
    if (read(aside) !== stale) linkSync(aside, path);
  } catch {
    // The file went away, or a third lock stands there by now: create() finds out.
  }
  rmSync(aside, { force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function refuseIfAlive(folder: string, path: string, text: string): void {
  let owner: Partial<Owner>;
  try {
    owner = JSON.parse(text) as Partial<Owner>;
  } catch {
    return; // cut short by a full disk or a crash: nobody's
  }
  const { pid = 0, host = "", began = "" } = owner;
  if (host !== hostname()) {
    throw new UsageError(`${folder} is in use by process ${pid} on ${host}, or was when that machine stopped.
If nothing runs there any more, delete ${path} and try again.`);
  }
  if (!isAlive(pid) || (began && began !== beginningOf(pid))) return;
  throw new UsageError(`${folder} is in use by process ${pid} of this machine: two runs would overwrite each other's saves.
Wait for it to end or stop it (Ctrl-C saves first), or name another --out.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^[ZX]/.test(statOf(pid)[0] ?? ""); // a killed process stays as a zombie where nobody waits for it, as in many containers
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
}

/** Boot and start time of a process where the system tells them (Linux), else "". */
function beginningOf(pid: number): string {
  const started = statOf(pid)[19]; // field 22 of proc(5), starttime
  return started === undefined ? "" : `${read("/proc/sys/kernel/random/boot_id")?.trim()} ${started}`;
}

/** What Linux tells about a process, from its state on (field 3 of proc(5), /proc/pid/stat); empty elsewhere. */
function statOf(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat ? stat.slice(stat.lastIndexOf(")") + 2).split(" ") : []; // the name before may hold spaces and brackets
}
