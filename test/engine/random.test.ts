import { expect, test } from "vitest";
import {
  fnv1a,
  normalArray,
  philox4x32,
  type Rng,
  random,
  toUniform,
  uniformArray,
  words,
} from "../../engine/random.js";

const hex = (text: string) => text.split(" ").map((word) => Number.parseInt(word, 16));

// Random123, tests/kat_vectors, lines "philox4x32 10": counter, key, words.
const published: [string, string, string][] = [
  ["00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  ["ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"],
  ["243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"],
];

test.each(published)("philox of counter %s, key %s gives the published words", (counter, key, want) => {
  const [k0, k1] = hex(key);
  expect([...philox4x32(hex(counter), [k0!, k1!])]).toEqual(hex(want));
});

test("why: FNV-1a has published values, and the bytes are UTF-8", () => {
  expect(fnv1a("")).toBe(0x811c9dc5);
  expect(fnv1a("foobar")).toBe(0xbf9cf968);
  expect(fnv1a("é")).not.toBe(fnv1a("\xe9".normalize("NFD")));
});

test("why: a stream is a function of its path alone", () => {
  const draw = (rng: Rng) => [rng.uniform(), rng.normal(), ...rng.normals(5), rng.integer(0, 10), ...rng.key()];
  expect(draw(random(7, "noise", 3))).toEqual(draw(random(7, "noise", 3)));
  const paths = [random(7), random(8), random(7, 3), random(7, "3"), random(7, "a", "b"), random(7, "b", "a")];
  paths.push(random(7, fnv1a("a")), random(7, fnv1a("a") + 2 ** 32), random(7, "a"));
  paths.push(random(7, "ab"), random(7, 3, 0), random(-7), random(7 + 2 ** 32), random(7, -3));
  expect(new Set(paths.map((rng) => rng.key().join())).size).toBe(paths.length);
});

test("why: drawing an array does not move the single numbers, nor the other way round", () => {
  const a = random(1);
  const b = random(1);
  a.normals(100);
  expect(a.uniform()).toBe(b.uniform());
  expect(random(1).uniform()).not.toBe(toUniform(random(1).key()[0]));
  for (let i = 0; i < 9; i++) a.uniform();
  b.normals(100);
  expect(a.key()).toEqual(b.key());
});

test("why: an array is what the kernel makes from the same key, whatever its length", () => {
  const key = random(2).key();
  expect(random(2).uniforms(7)).toEqual(uniformArray(key, 7));
  expect(random(2).normals(7)).toEqual(normalArray(key, 12).subarray(0, 7));
  expect(words(key, 8, 1)).toEqual(words(key, 12).subarray(4));
  expect([...words(key, 4, 5)]).toEqual([...philox4x32([5, 0, 0, 0], key)]);
});

test("why: moments and bounds of a million draws", () => {
  const n = 1_000_000;
  const moments = (x: Float32Array) => {
    const mean = x.reduce((sum, v) => sum + v, 0) / n;
    const about = (p: number) => x.reduce((sum, v) => sum + (v - mean) ** p, 0) / n;
    return { mean, variance: about(2), skew: about(3), fourth: about(4) };
  };
  const u = moments(random(3).uniforms(n)); // five standard errors each
  expect(Math.abs(u.mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
  expect(Math.abs(u.variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
  const z = moments(random(4).normals(n));
  expect(Math.abs(z.mean)).toBeLessThan(5 * Math.sqrt(1 / n));
  expect(Math.abs(z.variance - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
  expect(Math.abs(z.skew)).toBeLessThan(5 * Math.sqrt(15 / n));
  expect(Math.abs(z.fourth - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
});

test("why: neighbouring normals of a pair and of neighbouring streams are not correlated", () => {
  const n = 200_000;
  const z = random(5).normals(n);
  const other = random(6).normals(n);
  let pair = 0;
  let streams = 0;
  for (let i = 0; i < n; i++) {
    if (i % 2) pair += z[i]! * z[i - 1]!;
    streams += z[i]! * other[i]!;
  }
  expect(Math.abs(pair) / (n / 2)).toBeLessThan(5 / Math.sqrt(n / 2));
  expect(Math.abs(streams) / n).toBeLessThan(5 / Math.sqrt(n));
});

test("why: single normals are not the cosine half of one pair only", () => {
  const rng = random(12);
  const z = Float64Array.from({ length: 100_000 }, () => rng.normal());
  expect(Math.abs(z.reduce((s, v) => s + v, 0) / z.length)).toBeLessThan(5 / Math.sqrt(z.length));
  expect(Math.abs(z.reduce((s, v) => s + v * v, 0) / z.length - 1)).toBeLessThan(5 * Math.sqrt(2 / z.length));
});

test("why: integers reach both ends and never hi", () => {
  const counts = new Map<number, number>();
  for (const i of random(8).integers(60_000, -3, 3)) counts.set(i, (counts.get(i) ?? 0) + 1);
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-3, -2, -1, 0, 1, 2]);
  for (const count of counts.values()) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  const rng = random(9);
  const single = new Set(Array.from({ length: 500 }, () => rng.integer(0, 4)));
  expect([...single].sort()).toEqual([0, 1, 2, 3]);
  expect(() => rng.integer(3, 3)).toThrow("[3, 3)");
  expect(() => rng.integers(1, 0, 2 ** 32)).toThrow("32-bit");
  expect(() => random(0.5)).toThrow("integer");
});

test("why: bernoulli's rate, and its ends", () => {
  const ones = random(10)
    .bernoulli(0.2, 100_000)
    .reduce((a, b) => a + b, 0);
  expect(Math.abs(ones - 20_000)).toBeLessThan(5 * Math.sqrt(100_000 * 0.16));
  expect(new Set(random(10).bernoulli(0, 1000))).toEqual(new Set([0]));
  expect(new Set(random(10).bernoulli(1, 1000))).toEqual(new Set([1]));
});

test("why: a permutation holds every index once, and all orders are as likely", () => {
  expect([...random(11).permutation(1000)].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect([...random(11).permutation(0)]).toEqual([]);
  const seen = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const order = random(11, i).permutation(3).join();
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  expect(seen.size).toBe(6);
  for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
