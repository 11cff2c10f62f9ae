// Where bytes come from: a file read by position, or bytes already in memory. Readers work on this, so that the same
// checks serve a checkpoint of gigabytes, a member of an archive and a test.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { FileError } from "../errors.js";

export interface Source {
  /** The path or name that errors show. */
  readonly name: string;
  readonly size: number;
  /** Bytes [position, position + length) in a buffer of their own; throws FileError if they are not all there. */
  read(position: number, length: number): Uint8Array<ArrayBuffer>;
}

/** A file. It is opened for each read, so there is nothing to close; its size is fixed at the first look. */
export function fileSource(path: string): Source {
  const size = withFile(path, (fd) => fstatSync(fd).size);
  return {
    name: path,
    size,
    read(position, length) {
      checkRange(this, position, length);
      const bytes = new Uint8Array(length);
      return withFile(path, (fd) => {
        for (let done = 0; done < length; ) {
          // One call reads at most 2^31 - 1 bytes.
          const got = readSync(fd, bytes, done, Math.min(length - done, 2 ** 30), position + done);
          if (got === 0) throw new FileError(`${path} became shorter while it was read, at byte ${position + done}.`);
          done += got;
        }
        return bytes;
      });
    },
  };
}

export function bytesSource(name: string, bytes: Uint8Array): Source {
  return {
    name,
    size: bytes.length,
    read(position, length) {
      checkRange(this, position, length);
      return new Uint8Array(bytes.subarray(position, position + length));
    },
  };
}

/** A path, or a source as it is. */
export const toSource = (from: string | Source): Source => (typeof from === "string" ? fileSource(from) : from);

function checkRange(source: Source, position: number, length: number): void {
  if (position >= 0 && length >= 0 && position + length <= source.size) return;
  throw new FileError(
    `${source.name} is too short: ${length} bytes are needed at byte ${position}, but the file has ${source.size}.\n` +
      "It was cut, perhaps by a copy or download that did not finish. Get it again.",
  );
}

const openFailures: Record<string, string> = {
  ENOENT: "does not exist",
  EACCES: "may not be read by this user",
  EPERM: "may not be read by this user",
  EISDIR: "is a folder, not a file",
  ENOTDIR: "does not exist: a part of its path is a file, not a folder",
};

function withFile<T>(path: string, use: (fd: number) => T): T {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    return use(fd);
  } catch (error) {
    if (error instanceof FileError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    throw new FileError(`${path} ${openFailures[code] ?? "cannot be read"} (${code}). Check the path.`, {
      cause: error,
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
