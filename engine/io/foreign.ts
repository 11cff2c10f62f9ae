// Files that are not tensors, told by their first bytes, so that an error can name them.

import { foreignReasons } from "./refusals.js";

/** Texts at a place in the file. */
// biome-ignore format: a table
const signs: readonly [at: number, text: string, reason: string][] = [
  [0, "\u000a\u0023\u00d7\u00ce", foreignReasons.recordio],
  [0, "PAR1", foreignReasons.parquet],
  [0, "PARE", foreignReasons.parquet],
  [0, "\u0089PNG", foreignReasons.image],
  [0, "\u00ff\u00d8\u00ff", foreignReasons.image],
  [257, "ustar", foreignReasons.tar],
  [0, "\u001f\u008b", foreignReasons.gzip],
  [0, "\u0089HDF", foreignReasons.hdf5],
  [0, "GGUF", foreignReasons.gguf],
  [0, "<!", foreignReasons.html],
  [0, "<html", foreignReasons.html],
  [0, "version https://git-lfs", foreignReasons.lfs],
];

/** Why a file that begins with `head` (up to 512 bytes) is no file of tensors, if that can be told. */
export function foreignName(head: Uint8Array, fileSize: number): string | undefined {
  if (fileSize === 0) return foreignReasons.empty;
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString("latin1");
  const sign = signs.find(([at, letters]) => text.startsWith(letters, at));
  if (sign) return sign[2];
  if (isOldTar(head, text)) return foreignReasons.tar;
  return isTfRecord(head, fileSize) ? foreignReasons.tfrecord : undefined;
}

/** A tar header without "ustar": its checksum, in octal at 148, is the sum of its bytes with blanks in that place. */
function isOldTar(head: Uint8Array, text: string): boolean {
  const [, octal] = /^ *([0-7]{1,7})[ \0]/.exec(text.slice(148, 156)) ?? [];
  if (octal === undefined || head.length < 512) return false;
  const sum = head.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  return sum === Number.parseInt(octal, 8);
}

/** A record: u64 length, masked CRC-32C of these 8 bytes, data, another CRC. */
function isTfRecord(head: Uint8Array, fileSize: number): boolean {
  if (head.length < 16) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (view.getBigUint64(0, true) > fileSize - 16) return false;
  const crc = crc32c(head.subarray(0, 8));
  return view.getUint32(8, true) === (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32C (Castagnoli), reflected, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
