// Small files made by hand, so that a test can bend one field and leave the rest right.

import { crc32, deflateRawSync } from "node:zlib";

/** A .npy file of version 1. */
export function npyOf(descr: string, shape: number[], data: Uint8Array): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }\n`;
  const start = Buffer.from("\u0093NUMPY\u0001\u0000\u0000\u0000", "latin1");
  start.writeUInt16LE(header.length, 8);
  return Buffer.concat([start, Buffer.from(header, "latin1"), data]);
}

export interface MadeMember {
  name: string;
  data: Uint8Array;
  deflated?: boolean;
  /** What the directory says; the truth by default. */
  method?: number;
  size?: number;
  crc?: number;
  flags?: number;
}

/** A zip archive. */
export function zipOf(members: MadeMember[]): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const member of members) {
    const name = Buffer.from(member.name, "latin1");
    const data = member.deflated ? deflateRawSync(member.data) : Buffer.from(member.data);
    const fields = Buffer.alloc(26); // version needed to length of extra: the same in both headers
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(member.flags ?? 0, 2);
    fields.writeUInt16LE(member.method ?? (member.deflated ? 8 : 0), 4);
    fields.writeUInt32LE(member.crc ?? crc32(member.data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(member.size ?? member.data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14); // comment, disk, attributes, offset
    rest.writeUInt32LE(offset, 10);
    local.push(Buffer.from("PK\u0003\u0004", "latin1"), fields, name, data);
    central.push(Buffer.from("PK\u0001\u0002\u0014\u0000", "latin1"), fields, rest, name);
    offset += 30 + name.length + data.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", 0, "latin1");
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}
