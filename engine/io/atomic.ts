// Files that are either whole or not there: written under a temporary name in the same folder, forced to disk, renamed.

import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileError } from "../errors.js";

let written = 0; // makes temporary names differ within a process; the process id does across processes

/**
 * Writes `bytes`, or pieces one after the other, to `path`. A reader sees the old file or the new one, never a part. If
 * anything fails, including the making of a piece, the old file stays and the temporary one is removed.
 */
export function writeAtomic(path: string, bytes: Uint8Array | Iterable<Uint8Array>): void {
  const draft = new Draft(path);
  try {
    for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) draft.write(piece);
    draft.keep();
  } catch (error) {
    throw draft.discard(error);
  }
}

/** The same for pieces that take time to come: `fill` hands them to `write`. */
export async function writeAtomicStream(
  path: string,
  fill: (write: (piece: Uint8Array) => void) => Promise<void>,
): Promise<void> {
  const draft = new Draft(path);
  try {
    await fill((piece) => draft.write(piece));
    draft.keep();
  } catch (error) {
    throw draft.discard(error);
  }
}

/** The temporary file beside `path`. */
class Draft {
  private readonly temporary: string;
  private fd: number | undefined;
  private made = false;

  constructor(private readonly path: string) {
    this.temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${written++}.tmp`);
  }

  write(piece: Uint8Array): void {
    writeAll(this.open(), piece);
  }

  /** Gives the file its name. */
  keep(): void {
    fsyncSync(this.open());
    this.close();
    renameSync(this.temporary, this.path);
    syncFolder(dirname(this.path));
  }

  /** Removes it; returns the error to throw. */
  discard(error: unknown): unknown {
    this.close();
    if (this.made) rmSync(this.temporary, { force: true });
    return isSystemError(error) ? new FileError(explainWriteError(this.path, error.code), { cause: error }) : error;
  }

  private open(): number {
    this.fd ??= openSync(this.temporary, "wx");
    this.made = true;
    return this.fd;
  }

  private close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 2 ** 30)); // one call takes at most 2^31 - 1
  }
}

/** Makes the rename itself survive a power cut. Not every system lets a folder be opened; then it stays undone. */
export function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // The file itself is on the disk.
  }
}

/** Makes a folder and those above it, unless it is there. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? new FileError(explainWriteError(path, error.code), { cause: error }) : error;
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException & { code: string } =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string" && "syscall" in error;

/** The message for a write that the system refused with `code`. */
export function explainWriteError(path: string, code: string): string {
  const folder = dirname(path);
  const [what, wayOut] = {
    ENOSPC: ["the disk is full", `Free some space on the disk of ${folder}, or name another place.`],
    EDQUOT: ["your disk quota is used up", `Free some of your space, or name another place than ${folder}.`],
    EFBIG: ["the file is larger than the system allows", "Name a place on another disk."],
    EACCES: ["this user may not write there", `Give yourself permission for ${folder}, or name another place.`],
    EPERM: ["this user may not write there", `Give yourself permission for ${folder}, or name another place.`],
    EROFS: ["the disk is read-only", "Name another place."],
    ENOENT: [`the folder ${folder} does not exist`, "Make the folder, or name another place."],
    ENOTDIR: [`${folder} is not a folder`, "Name another place."],
    EEXIST: ["a file of that name is in the way", "Name another folder."],
    EISDIR: ["a folder of that name is in the way", "Name another file."],
  }[code] ?? ["the system refused", "Name another place, or ask what this code means on your system."];
  return `${path} was not written: ${what} (${code}).\nA file of that name is as it was before. ${wayOut}`;
}
