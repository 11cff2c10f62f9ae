import { expect, test } from "vitest";
import { joinRows, rowOf, takeRows } from "../../data/rows.js";

const x = Float32Array.of(0, 1, 10, 11, 20, 21); // three rows of two

test("rows in another order, one of them twice, are a copy of the same type", () => {
  const y = takeRows(x, [2, 0, 2], 2);
  expect(y).toEqual(Float32Array.of(20, 21, 0, 1, 20, 21));
  y[0] = 5;
  expect(x[4]).toBe(20);
  expect(takeRows(new Uint8Array(4), [], 2)).toEqual(new Uint8Array(0));
});

test("a row is a view", () => {
  expect(rowOf(x, 1, 2)).toEqual(Float32Array.of(10, 11));
  expect(rowOf(x, 1, 2).buffer).toBe(x.buffer);
});

test("rows joined are the array again", () => {
  expect(joinRows([0, 1, 2].map((i) => rowOf(x, i, 2)))).toEqual(x);
});
