// Pictures out of arrays: grids of faces, heat maps. All work on (3, height, width) bytes, as data/folder.ts writes them.

/** (3, height, width) bytes. */
export interface Picture {
  planes: Uint8Array;
  width: number;
  height: number;
}

/** Lays square (3, size, size) images out in rows of `columns`, `gap` white pixels between them. */
export function grid(images: readonly Uint8Array[], size: number, columns: number, gap = 2): Picture {
  const rows = Math.ceil(images.length / columns);
  const width = columns * (size + gap) - gap;
  const height = Math.max(1, rows * (size + gap) - gap);
  const planes = new Uint8Array(3 * width * height).fill(255);
  images.forEach((image, i) => {
    const left = (i % columns) * (size + gap);
    const top = Math.floor(i / columns) * (size + gap);
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < size; y++) {
        planes.set(
          image.subarray(c * size * size + y * size, c * size * size + (y + 1) * size),
          c * width * height + (top + y) * width + left,
        );
      }
    }
  });
  return { planes, width, height };
}

/** A map of values in [0, 1] as colours from dark violet over orange to pale yellow (monotone in lightness), scaled up `times`. */
export function heat(values: ArrayLike<number>, side: number, times = 1): Uint8Array {
  const big = side * times;
  const out = new Uint8Array(3 * big * big);
  for (let y = 0; y < big; y++) {
    for (let x = 0; x < big; x++) {
      const v = Math.min(1, Math.max(0, values[Math.floor(y / times) * side + Math.floor(x / times)]!));
      const [r, g, b] = ramp(v);
      out[y * big + x] = r;
      out[big * big + y * big + x] = g;
      out[2 * big * big + y * big + x] = b;
    }
  }
  return out;
}

/** Five colours of equal steps in lightness, linear between them. */
const stops = [
  [20, 11, 52],
  [101, 21, 110],
  [188, 55, 84],
  [246, 125, 21],
  [252, 255, 164],
] as const;

function ramp(v: number): [number, number, number] {
  const at = v * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const mix = (c: 0 | 1 | 2) => Math.round(stops[i]![c] + (at - i) * (stops[i + 1]![c] - stops[i]![c]));
  return [mix(0), mix(1), mix(2)];
}

/** Nearest-neighbour enlargement of a (3, size, size) image. */
export function enlarge(image: Uint8Array, size: number, times: number): Uint8Array {
  const big = size * times;
  const out = new Uint8Array(3 * big * big);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < big; y++) {
      for (let x = 0; x < big; x++)
        out[c * big * big + y * big + x] =
          image[c * size * size + Math.floor(y / times) * size + Math.floor(x / times)]!;
    }
  }
  return out;
}
