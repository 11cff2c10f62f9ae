// Writes zip files of stored (not compressed) members, one member in memory at a time, whole or not at all. The data of every
// member begin at a multiple of 64 bytes, so that a reader may map them into memory; torch.save does the same. The container
// itself is zip.js's work: zip64 where it is needed, checksums.

import { Uint8ArrayReader, ZipWriter } from "@zip.js/zip.js";
import { FileError } from "../errors.js";
import { writeAtomicStream } from "./atomic.js";
import { show } from "./tensor-file.js";

export interface Member {
  name: string;
  /** Asked for when its turn comes. */
  bytes(): Uint8Array | Promise<Uint8Array>;
}

/** All members have the same date: the same contents give the same bytes. Zip counts from 1980. */
const date = new Date(1980, 0, 1);

/** Writes the members in their order, atomically. */
export async function writeZip(path: string, members: Iterable<Member>): Promise<void> {
  await writeAtomicStream(path, async (write) => {
    const sink = new WritableStream<Uint8Array>({ write });
    const zip = new ZipWriter(sink, {
      level: 0,
      usdz: true, // aligns: the padding that the USDZ format asks for is that of torch's files
      extendedTimestamp: false,
      lastModDate: date,
      useWebWorkers: false,
    });
    for (const { name, bytes } of members) await zip.add(checked(path, name), new Uint8ArrayReader(await bytes()));
    await zip.close();
  });
}

/** A name that leads out of the folder into which somebody unpacks the file is not written. */
function checked(path: string, name: string): string {
  if (!/(^|[\\/])\.\.([\\/]|$)|^[\\/]|\\/.test(name)) return name;
  throw new FileError(
    `${path} was not written: a zip member called ${show(name)} would leave the folder it is unpacked in.\nGive the tensor another name.`,
  );
}
