import { afterAll, beforeAll, expect, test } from "vitest";
import { WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";
import {
  captureOf,
  drawFaces,
  drawRecords,
  FACE_FIELDS,
  FACE_SIZE,
  faceParams,
  IDENTITY_SIZE,
  identityOf,
  neutralCapture,
} from "../../data/faces.js";
import { type Device, openDevice } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";
import { shaderSource } from "../../engine/source.js";
import { tensor } from "../../engine/tensor.js";

const SIZE = 16; // small: a software adapter draws a face of 64 pixels in 0.2 s
const PIXELS = 3 * SIZE * SIZE;

let dev: Device;
beforeAll(async () => {
  dev = await openDevice();
});
afterAll(() => dev.close());

/** Pictures of (who, how) pairs as plain arrays. */
async function pictures(pairs: [Float32Array, Float32Array][]): Promise<Float32Array[]> {
  const records = Float32Array.from(pairs.flatMap(([who, how]) => [...who, ...how]));
  const y = await scope(() => drawRecords(tensor(records, [pairs.length, FACE_SIZE]), SIZE).read());
  return pairs.map((_, n) => Float32Array.from(y.subarray(n * PIXELS, (n + 1) * PIXELS)));
}

const distance = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + Math.abs(x - b[i]!), 0) / a.length;
const mean = (x: number[]): number => x.reduce((sum, v) => sum + v, 0) / x.length;

test("the fields of data/faces.ts are those of struct Face, name by name and float by float", () => {
  const reflect = new WgslReflect(shaderSource("common/face_struct.wgsl"));
  const struct = reflect.structs.find((s) => s.name === "Face")!;
  expect([...FACE_FIELDS]).toEqual(struct.members.map((m) => [m.name, m.offset / 4]));
  expect(FACE_SIZE).toBe(struct.size / 4);
  expect(FACE_FIELDS.get("yaw")).toBe(IDENTITY_SIZE);
});

test("identity and capture are apart: each part depends on its own numbers alone", () => {
  for (const k of [0, 1, 17]) expect(faceParams(1, 5, k).subarray(0, IDENTITY_SIZE)).toEqual(identityOf(1, 5));
  expect(faceParams(1, 5, 2).subarray(IDENTITY_SIZE)).toEqual(captureOf(1, 5, 2));
  expect(identityOf(1, 5)).not.toEqual(identityOf(1, 6));
  expect(identityOf(1, 5)).not.toEqual(identityOf(2, 5));
  expect(captureOf(1, 5, 2)).not.toEqual(captureOf(1, 5, 3));
  expect(captureOf(1, 5, 2)).not.toEqual(captureOf(1, 6, 2));
});

test("1,000 people and their captures: finite numbers, yaw within 60 degrees, half of it within 15", () => {
  const yaws: number[] = [];
  for (let identity = 0; identity < 1000; identity++) {
    const record = faceParams(3, identity, 0);
    expect(record).toHaveLength(FACE_SIZE);
    expect(record.every(Number.isFinite)).toBe(true);
    yaws.push(Math.abs(record[FACE_FIELDS.get("yaw")!]!) * (180 / Math.PI));
  }
  expect(Math.max(...yaws)).toBeLessThanOrEqual(60.001);
  expect(Math.max(...yaws)).toBeGreaterThan(45);
  expect(yaws.filter((a) => a < 15).length).toBeGreaterThan(500);
});

test("the same numbers give the same bits, alone or beside others; other numbers give another picture", async () => {
  const list = [
    { identity: 4, k: 0 },
    { identity: 9, k: 3 },
  ];
  const both = await scope(() => drawFaces(list, SIZE, 1).read());
  const again = await scope(() => drawFaces(list.slice(1), SIZE, 1).read());
  expect([...again]).toEqual([...both.subarray(PIXELS)]);
  expect(distance(both.subarray(0, PIXELS) as Float32Array, again as Float32Array)).toBeGreaterThan(0.02);
});

test("200 faces are finite, in range, neither black nor white, and a size that is no multiple of the workgroup is filled", async () => {
  const size = 15;
  const list = Array.from({ length: 200 }, (_, n) => ({ identity: n, k: n % 7 }));
  const y = await scope(() => drawFaces(list, size, 2).read());
  expect(y).toHaveLength(200 * 3 * size * size);
  expect(y.every((v) => v >= -1 && v <= 1)).toBe(true);
  for (let n = 0; n < 200; n++) {
    const face = [...y.subarray(n * 3 * size * size, (n + 1) * 3 * size * size)];
    expect(Math.abs(mean(face))).toBeLessThan(0.85);
    expect(Math.max(...face) - Math.min(...face)).toBeGreaterThan(0.3);
  }
});

test("capture moves more pixels than identity does, and identity still moves many", async () => {
  const people = Array.from({ length: 40 }, (_, n) => n);
  const first = await pictures(people.map((n) => [identityOf(1, n), captureOf(1, n, 0)]));
  const otherCapture = await pictures(people.map((n) => [identityOf(1, n), captureOf(1, n, 1)]));
  const otherPerson = await pictures(people.map((n) => [identityOf(1, n + 100), captureOf(1, n, 0)]));
  const capture = mean(people.map((n) => distance(first[n]!, otherCapture[n]!)));
  const identity = mean(people.map((n) => distance(first[n]!, otherPerson[n]!)));
  expect(capture).toBeGreaterThan(1.1 * identity);
  expect(identity).toBeGreaterThan(0.08);
});

test("under one neutral capture, people differ from each other", async () => {
  const people = await pictures(Array.from({ length: 8 }, (_, n) => [identityOf(1, n), neutralCapture()]));
  for (let a = 0; a < 8; a++) {
    for (let b = 0; b < a; b++) expect(distance(people[a]!, people[b]!), `people ${a} and ${b}`).toBeGreaterThan(0.02);
  }
});

test("wrong shapes are refused with both numbers", () => {
  expect(() => scope(() => drawRecords(tensor(new Float32Array(8), [2, 4]), SIZE))).toThrow(`(N, ${FACE_SIZE})`);
  expect(() => scope(() => drawFaces([{ identity: 0, k: 0 }], 1.5, 1))).toThrow("1.5 pixels");
});
