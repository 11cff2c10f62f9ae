import { expect, test } from "vitest";
import { fnv1a } from "../engine/random.js";
import { hashed, normal, paramValue, probe, relativeError, u } from "./golden.js";

test("why: u(name) is the README's formula, in exact arithmetic", () => {
  const mask = 2n ** 32n - 1n;
  const mix = (h: bigint) => {
    h ^= h >> 16n;
    h = (h * 0x85ebca6bn) & mask;
    h ^= h >> 13n;
    h = (h * 0xc2b2ae35n) & mask;
    return h ^ (h >> 16n);
  };
  const name = "x.weight";
  const got = u(name, 70_000);
  for (const i of [0, 1, 2, 3, 1000, 65_535, 65_536, 69_999]) {
    const h = mix((BigInt(i) * 0x9e3779b1n + BigInt(fnv1a(name))) & mask);
    expect(got[i]).toBe(Number(h) / 2 ** 31 - 1);
  }
});

test("why: the rule of a parameter follows its rank and the last part of its name", () => {
  expect(paramValue("a.weight", [4, 3])).toEqual(hashed("a.weight", [4, 3], 1));
  expect(paramValue("a.bias", [2, 3, 2])).toEqual(hashed("a.bias", [2, 3, 2], Math.sqrt(0.5)));
  expect(paramValue("a.weight", [5])).toEqual(hashed("a.weight", [5], 0.1, 1));
  expect(paramValue("a.bias", [5])).toEqual(hashed("a.bias", [5], 0.1));
  expect(paramValue("a.running_mean", [5])).toEqual(hashed("a.running_mean", [5], 0.1));
  expect(paramValue("a.running_var", [5])).toEqual(hashed("a.running_var", [5], 0.1, 1));
  expect(paramValue("empty_context_embedding", [5])).toEqual(hashed("empty_context_embedding", [5]));
});

test("why: the IR-50's 40 million values must take seconds at most", () => {
  const started = performance.now();
  const values = paramValue("big.weight", [1000, 40_000]);
  expect(values.length).toBe(40_000_000);
  expect(performance.now() - started).toBeLessThan(4000);
});

test("why: normals have the moments of normals", () => {
  const z = normal("z", [100, 1000]);
  const mean = z.reduce((a, b) => a + b, 0) / z.length;
  const square = z.reduce((a, b) => a + b * b, 0) / z.length;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(Math.abs(square - 1)).toBeLessThan(0.03);
});

test("why: an error must not hide behind NaN, a zero scale or a length", () => {
  expect(relativeError([1, 2.5], [1, 2])).toBe(0.25);
  expect(relativeError([Number.NaN, 2], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  expect(relativeError([1, 1e-9], [0, 0])).toBe(Number.POSITIVE_INFINITY);
  expect(relativeError([0, 0], [0, 0])).toBe(0);
  expect(() => relativeError([1], [1, 2])).toThrow("1 values, but 2");
});

test("why: a probe is norm and dot product", () => {
  const [norm, dot] = probe("w", [3, 4]);
  const [a, b] = u("probe:w", 2);
  expect(norm).toBe(5);
  expect(dot).toBeCloseTo(3 * a! + 4 * b!, 14);
});
