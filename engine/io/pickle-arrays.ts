// NumPy arrays inside a pickle: a dtype, a shape, and raw bytes that stay where they lie until the array is asked for.

import { elementCount, type HostDtype, type HostTensor } from "./host.js";
import { DIMENSIONS, dtypeOf, hostTensor } from "./npy.js";
import { Bytes, type Call, Opaque, Tuple, textOf, type Value } from "./pickle-values.js";
import { arrayReasons, type Refuse } from "./refusals.js";

/** numpy.dtype: a kind and size ("f4", "b1"; "O8" for objects), then by BUILD a byte order. */
export class DType extends Opaque {
  readonly what = "a dtype";
  readonly code: string;
  bigEndian: boolean;

  /** @param code with or without the byte order: "f4", "<f4" */
  constructor(code: string, refuse: Refuse) {
    super();
    this.bigEndian = code[0] === ">";
    this.code = code.replace(/^[<>|=]/, "");
    if (!this.dtype && !this.objects) refuse(arrayReasons.dtype(code));
  }

  get dtype(): HostDtype | undefined {
    return dtypeOf(this.code);
  }

  get objects(): boolean {
    return /^O[48]?$/.test(this.code);
  }

  /** (3, '<', None, None, None, -1, -1, 0): version, byte order, and five things that only structured types have. */
  override build(state: Value, call: Call): void {
    const [version, order, ...rest] = state instanceof Tuple ? state.items : [];
    const letter = textOf(order);
    const plain = rest.slice(0, 3).every((item) => item === null) && rest.length >= 5;
    if ((version !== 3 && version !== 4) || !letter || !/^[<>|=]$/.test(letter) || !plain) {
      call.refuse(arrayReasons.dtypeState);
    }
    this.bigEndian = letter === ">";
  }
}

export const asDType = (value: Value | undefined): DType | undefined => (value instanceof DType ? value : undefined);

/** numpy.ndarray, empty until `fill`. */
export class PickledArray extends Opaque {
  readonly what = "an array";
  #filled:
    | { shape: number[]; kind: DType; bigEndian: boolean; fortran: boolean; raw: Bytes | readonly Value[] }
    | undefined;

  /** (1, shape, dtype, fortran, raw) */
  override build(state: Value, call: Call): void {
    const [version, shape, type, fortran, raw] = state instanceof Tuple ? state.items : [];
    const kind = asDType(type);
    if (version !== 1 || !(shape instanceof Tuple) || !kind) call.refuse(arrayReasons.shape);
    this.fill(shape.items, kind, fortran === true || fortran === 1, raw, call);
  }

  /** Checks that the bytes are as many as the shape needs. */
  fill(sizes: readonly Value[], kind: DType, fortran: boolean, raw: Value | undefined, call: Call): void {
    const { shape, count } = shapeOf(sizes, call.refuse);
    call.charge(64 + 8 * shape.length);
    const filled = { shape, kind, bigEndian: kind.bigEndian, fortran };
    if (kind.objects) {
      if (!Array.isArray(raw) || raw.length !== count) call.refuse(arrayReasons.objects);
      this.#filled = { ...filled, raw: [...raw] };
      call.charge(8 * raw.length);
      return;
    }
    const need = count * Number(kind.code.slice(1));
    const got = raw instanceof Bytes ? raw.length : 0;
    if (!(raw instanceof Bytes) || got !== need) call.refuse(arrayReasons.bytes(shape, kind.code, need, got));
    this.#filled = { ...filled, raw };
  }

  /** Shape and type, without the values; arrays of objects have none that is known. */
  info(refuse: Refuse): { shape: number[]; dtype: HostDtype } {
    const { shape, kind } = this.#filled ?? refuse(arrayReasons.unbuilt);
    return { shape, dtype: kind.dtype ?? refuse(arrayReasons.objects) };
  }

  /** The values, row-major. */
  tensor(refuse: Refuse): HostTensor {
    const { shape, dtype } = this.info(refuse);
    const { raw, bigEndian, fortran } = this.#filled!;
    return hostTensor((raw as Bytes).view.slice(), { shape, dtype, bigEndian, fortran });
  }

  /** The bytes themselves, of a (n,) or (n, 1) array of bytes: how images are held. */
  get bytes(): Uint8Array | undefined {
    const { shape, kind, raw } = this.#filled ?? {};
    const flat = shape?.length === 1 || (shape?.length === 2 && shape[1] === 1);
    return flat && kind?.dtype === "u8" && raw instanceof Bytes ? raw.view : undefined;
  }

  /** The one object of a 0-d array of objects: how numpy.save holds a dict. */
  get object(): Value | undefined {
    const { shape, raw } = this.#filled ?? {};
    return shape?.length === 0 && !(raw instanceof Bytes) ? raw?.[0] : undefined;
  }
}

function shapeOf(sizes: readonly Value[], refuse: Refuse): { shape: number[]; count: number } {
  const shape = sizes.filter((size) => typeof size === "number");
  const count = elementCount(shape);
  if (shape.length !== sizes.length || shape.length > DIMENSIONS || count === undefined) {
    return refuse(arrayReasons.shape);
  }
  return { shape, count };
}
