// Reads forward through a source, a window at a time. What lies in a window is never copied: a value is a piece of it and
// keeps it alive, so that a set of encoded images takes the memory of its file, and a stream that ends in gigabytes of
// weights is read no further than its pickles go.

import { Bytes } from "./pickle-values.js";
import { pickleReasons, type Refuse } from "./refusals.js";
import type { Source } from "./source.js";

const WINDOW = 2 ** 20;

export class Cursor {
  readonly #source: Source;
  readonly #refuse: Refuse;
  #window: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  /** Position of the window's first byte. */
  #start: number;
  /** Index in the window of the next byte. */
  #at = 0;

  constructor(source: Source, position: number, refuse: Refuse) {
    this.#source = source;
    this.#start = position;
    this.#refuse = refuse;
  }

  /** Of the next byte, from the beginning of the source. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes that follow. */
  get left(): number {
    return this.#source.size - this.position;
  }

  // A step may load another window, so it comes before the look at the view.

  u8(): number {
    const at = this.#step(1);
    return this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#step(2);
    return this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#step(4);
    return this.#view.getUint32(at, true);
  }

  i32(): number {
    const at = this.#step(4);
    return this.#view.getInt32(at, true);
  }

  u64(): bigint {
    const at = this.#step(8);
    return this.#view.getBigUint64(at, true);
  }

  /** Big-endian, as pickles hold it. */
  f64(): number {
    const at = this.#step(8);
    return this.#view.getFloat64(at, false);
  }

  /** The next `length` bytes. */
  bytes(length: number): Bytes {
    const at = this.#step(length);
    return new Bytes(this.#window, at, at + length);
  }

  /** The bytes before the next "\n", which is passed over. */
  line(): Bytes {
    for (let searched = 0; ; ) {
      const end = this.#window.indexOf(10, this.#at + searched);
      if (end >= 0) {
        const line = new Bytes(this.#window, this.#at, end);
        this.#at = end + 1;
        return line;
      }
      searched = this.#window.length - this.#at;
      if (searched >= this.left) this.#refuse(pickleReasons.noNewline);
      this.#load(Math.max(WINDOW, 2 * searched));
    }
  }

  /** Makes sure that `length` bytes lie in the window, passes over them, and says where they begin. */
  #step(length: number): number {
    if (length > this.left) this.#refuse(pickleReasons.ends(length, this.left));
    if (this.#at + length > this.#window.length) this.#load(Math.max(WINDOW, length));
    this.#at += length;
    return this.#at - length;
  }

  /** A new window that begins at the next byte. */
  #load(length: number): void {
    this.#start = this.position;
    this.#at = 0;
    this.#window = this.#source.read(this.#start, Math.min(length, this.#source.size - this.#start));
    this.#view = new DataView(this.#window.buffer);
  }
}
