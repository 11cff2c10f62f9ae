// `uiface tune` on a false clock: it must find what is faster, and nothing where there is only noise.

import { expect, test } from "vitest";
import { type Choice, choose } from "../../bench/tune/choose.js";
import { random } from "../../engine/random.js";

/** A clock that is wrong: by a share at random, by bursts in which all takes `burst` times as long, by a drift. */
interface Clock {
  noise: number;
  bursts?: { chance: number; factor: number };
  /** Growth from one sample to the next. */
  drift?: number;
}

/** What is chosen when options take these multiples of the default's time. */
function chosenOn({ noise, bursts, drift = 0 }: Clock, factors: readonly number[], seed: number): Promise<Choice> {
  const draws = random(seed, "clock");
  const [normals, chances] = [draws.normals(20_000), draws.uniforms(20_000)];
  let sample = 0;
  let left = 0; // samples of this burst
  return choose({
    candidates: factors.length,
    places: 3,
    rounds: 8,
    stopwatch: async (option, place) => {
      const i = sample++;
      if (bursts && left === 0 && chances[i % 20_000]! < bursts.chance) left = 5;
      if (left) left--;
      const slow = bursts && left ? bursts.factor : 1;
      return (
        (place + 1) * (option ? factors[option - 1]! : 1) * Math.exp(noise * normals[i % 20_000]! + drift * i) * slow
      );
    },
  });
}

const clocks: { why: string; clock: Clock }[] = [
  { why: "a quiet machine", clock: { noise: 0.01 } },
  { why: "a busy one", clock: { noise: 0.15 } },
  { why: "another program in bursts", clock: { noise: 0.03, bursts: { chance: 0.03, factor: 4 } } },
  { why: "a card that gets hot", clock: { noise: 0.02, drift: 0.002 } },
];

test.each(clocks)("nine candidates as fast as the default, on $why: the default stays", async ({ clock }) => {
  let fooled = 0;
  for (let seed = 0; seed < 300; seed++)
    fooled += (await chosenOn(clock, Array<number>(9).fill(1), seed)).option ? 1 : 0;
  expect(fooled).toBeLessThanOrEqual(1);
});

test.each(clocks)("a candidate that takes 0.7 of the time, on $why: it is found", async ({ clock }) => {
  let found = 0;
  for (let seed = 0; seed < 50; seed++) found += (await chosenOn(clock, [1, 0.7, 1.1], seed)).option === 2 ? 1 : 0;
  expect(found).toBeGreaterThanOrEqual(clock.noise > 0.1 ? 35 : 45);
});

test("the fastest of several is taken, with its ratio in fresh rounds", async () => {
  const { option, ratio } = await chosenOn({ noise: 0.01 }, [0.9, 0.5, 0.8], 1);
  expect(option).toBe(2);
  expect(ratio).toBeCloseTo(0.5, 1);
});

test("a gain below 2 % is no reason for another setting, however sure it is", async () => {
  expect(await chosenOn({ noise: 0 }, [0.985], 1)).toEqual({ option: 0, ratio: 1 });
  expect((await chosenOn({ noise: 0 }, [0.97], 1)).option).toBe(1);
});

test("candidates that launch what the default launches are not timed", async () => {
  const timed: [number, number][] = [];
  const { option } = await choose({
    candidates: 3,
    places: 2,
    rounds: 4,
    twin: (option, place) => (place === 0 ? 0 : option === 3 ? 2 : option), // the third is the second, everywhere
    stopwatch: async (option, place) => {
      timed.push([option, place]);
      return option === 2 ? 0.5 : 1;
    },
  });
  expect(option).toBe(2);
  expect(timed.every(([option, place]) => place === 1 && option !== 3)).toBe(true);
});

test("why: Ctrl-C. What the stopwatch throws ends the choice", async () => {
  const stop = choose({ candidates: 1, places: 1, rounds: 4, stopwatch: () => Promise.reject(new Error("stopped")) });
  await expect(stop).rejects.toThrow("stopped");
});
