import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { progress } from "../../data/progress.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Calls every `ms` for each of `counts`, and returns what was written. */
function written(isTTY: boolean, ms: number, counts: readonly number[], total: number): string[] {
  const texts: string[] = [];
  const report = progress("drawing", { isTTY, write: (text) => texts.push(text) });
  for (const done of counts) {
    vi.advanceTimersByTime(ms);
    report(done, total);
  }
  return texts;
}

test("why: a log file wants a line now and then, not one a batch, and always the last", () => {
  expect(written(false, 4000, [16, 32, 48, 64, 2000], 2000)).toEqual([
    "drawing      48 of 2,000   4.0 a second   8 min left\n",
    "drawing      2,000 of 2,000   100.0 a second\n",
  ]);
});

test("why: on a terminal one line is rewritten, and ended when all is done", () => {
  expect(written(true, 250, [1, 2, 3], 3)).toEqual([
    "\r\x1b[Kdrawing      1 of 3   4.0 a second   1 s left",
    "\r\x1b[Kdrawing      2 of 3   4.0 a second   0 s left",
    "\r\x1b[Kdrawing      3 of 3   4.0 a second\n",
  ]);
});

test("why: before the first is done nobody knows how long it takes", () => {
  expect(written(true, 250, [0], 3)).toEqual(["\r\x1b[Kdrawing      0 of 3   0.0 a second"]);
});
