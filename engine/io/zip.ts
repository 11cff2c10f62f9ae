// Zip archives read by position. zip.js reads the central directory; where a member's data lie follows from its local
// header, and a stored member is then a window on the file: gigabytes of weights are never unpacked or held.
//
//   local header (30 bytes, name, extra) | data | ... | central directory | end record
//
// Sizes come from the central directory (torch leaves them 0 in local headers, NumPy writes 0xFFFFFFFF), the lengths of
// name and extra from the local header (torch pads there). Members may not overlap, nor have a name twice.

import { crc32, inflateRawSync } from "node:zlib";
import { type FileEntry, ZipReader } from "@zip.js/zip.js/lib/zip-core-reader.js";
import { FileError } from "../errors.js";
import { type Refuse, refusal, zipReasons } from "./refusals.js";
import type { Source } from "./source.js";

export interface Member {
  name: string;
  /** Of the local header, and of the data. */
  header: number;
  position: number;
  /** Bytes in the archive, and unpacked. */
  packed: number;
  size: number;
  deflated: boolean;
  crc: number;
}

const LOCAL_HEADER = 30;
const HARMLESS = new Set(["trailing central directory data", "unsorted central directory"]);
/** Deflate cannot do better than 1,032 to 1 (zlib.net/zlib_tech.html), and numbers from a model never come near. */
const GROWTH = 50;
const GROWTH_FLOOR = 2 ** 24;
/** Bytes of a deflated member that are kept unpacked, for its header. */
const HEAD = 2 ** 16;

/** The members by name, in the order of the directory. */
export async function readDirectory(source: Source): Promise<Map<string, Member>> {
  const refuse = refusal(source.name, "zip");
  const members = new Map<string, Member>();
  try {
    // "balanced" refuses two directories and names that leave the folder, and warns of other doubts. "strict" would refuse
    // all of them, and torch's own archives, in which a zip64 end record follows a directory that needs none.
    const options = { strictness: "balanced", maxAppendedDataSize: 0, useWebWorkers: false } as const;
    const zip = new ZipReader(readerOf(source), options);
    for await (const entry of zip.getEntriesGenerator()) {
      if (members.has(entry.filename)) refuse(zipReasons.twice(entry.filename));
      if (!entry.directory) members.set(entry.filename, locate(source, entry as FileEntry, refuse));
    }
    const doubt = zip.warnings?.find(({ reason }) => !HARMLESS.has(reason));
    if (doubt) refuse(zipReasons.damaged(doubt.reason));
  } catch (error) {
    if (error instanceof FileError) throw error;
    const { message, reason } = error as Error & { reason?: string };
    refuse(zipReasons.damaged(reason ? `${message}: ${reason}` : message));
  }
  refuseOverlap([...members.values()], refuse);
  return members;
}

/** zip.js asks for more than there is at the end of a file, and expects what there is. */
const readerOf = (source: Source) => ({
  size: source.size,
  readable: new ReadableStream(),
  readUint8Array: async (index: number, length: number) =>
    source.read(index, Math.max(0, Math.min(length, source.size - index))),
});

function locate(source: Source, entry: FileEntry, refuse: Refuse): Member {
  const { filename: name, offset: header, compressedSize: packed, uncompressedSize: size } = entry;
  const method = entry.compressionMethod;
  const crc = entry.crc32;
  if (entry.encrypted || crc === undefined) return refuse(zipReasons.encrypted(name));
  if (method !== 0 && method !== 8) refuse(zipReasons.method(name, method));
  if (method === 0 && packed !== size) refuse(zipReasons.storedSize(name, size, packed));
  if (size > Math.max(GROWTH_FLOOR, GROWTH * packed) || size > 1032 * packed + 64) {
    refuse(zipReasons.bomb(name, size, packed));
  }
  const position = header + localLength(source, entry, refuse);
  if (position + packed > source.size) refuse(zipReasons.past(name, position + packed, source.size));
  return { name, header, position, packed, size, deflated: method === 8, crc };
}

/** Bytes of a member's local header with its name and extra field; the name and method must be those of the directory. */
function localLength(source: Source, { filename, rawFilename, offset, compressionMethod }: FileEntry, refuse: Refuse) {
  const length = LOCAL_HEADER + rawFilename.length;
  if (offset + length > source.size) refuse(zipReasons.local(filename, offset));
  const bytes = source.read(offset, length);
  const local = new DataView(bytes.buffer);
  const same =
    local.getUint32(0, true) === 0x04034b50 &&
    local.getUint16(8, true) === compressionMethod &&
    local.getUint16(26, true) === rawFilename.length &&
    Buffer.compare(bytes.subarray(LOCAL_HEADER), rawFilename) === 0;
  if (!same) refuse(zipReasons.local(filename, offset));
  return length + local.getUint16(28, true);
}

function refuseOverlap(members: Member[], refuse: Refuse): void {
  members.sort((a, b) => a.header - b.header);
  members.forEach((member, i) => {
    const before = members[i - 1];
    if (before && before.position + before.packed > member.header) refuse(zipReasons.overlap(before.name, member.name));
  });
}

/** A member as a source of its own, named "archive.npz:member". */
export function memberSource(source: Source, member: Member): Source {
  const name = `${source.name}:${member.name}`;
  return member.deflated ? inflated(name, source, member) : part(name, source, member.position, member.size);
}

/** A window on a source. */
function part(name: string, source: Source, start: number, size: number): Source {
  return {
    name,
    size,
    read(position, length) {
      if (position < 0 || length < 0 || position + length > size) {
        refusal(name, "zip")(`${length} bytes are needed at byte ${position}, but it has ${size}`);
      }
      return source.read(start + position, length);
    },
  };
}

/** Unpacked anew for each read beyond its first bytes, so that nothing large is held between reads. */
function inflated(name: string, source: Source, member: Member): Source {
  let head: Uint8Array | undefined;
  const { size } = member;
  return {
    name,
    size,
    read(position, length) {
      if (position + length > size) {
        refusal(name, "zip")(`${length} bytes are needed at byte ${position}, but it has ${size}`);
      }
      if (head && position + length <= head.length) return new Uint8Array(head.subarray(position, position + length));
      const whole = inflate(source, member);
      head ??= whole.slice(0, HEAD);
      return new Uint8Array(whole.subarray(position, position + length));
    },
  };
}

/** All bytes of a member, checked against its size and checksum. */
export function inflate(source: Source, member: Member): Uint8Array {
  const refuse = refusal(source.name, "zip");
  const packed = source.read(member.position, member.packed);
  const bytes = member.deflated ? unpack(packed, member, refuse) : packed;
  if (bytes.length !== member.size) refuse(zipReasons.inflate(member.name, member.size));
  if (crc32(bytes) !== member.crc) refuse(zipReasons.crc(member.name));
  return bytes;
}

/** zlib grows its output as data come, and stops at the announced size. */
function unpack(packed: Uint8Array, { name, size }: Member, refuse: Refuse): Uint8Array {
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch {
    return refuse(zipReasons.inflate(name, size));
  }
}
