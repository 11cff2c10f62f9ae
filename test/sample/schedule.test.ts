import { expect, test } from "vitest";
import { cosine, cosineWarped, linear, schedule } from "../../models/schedule.js";
import { ddimJumps } from "../../sample/ddim.js";

// Against PyTorch's own numbers: test/parity/schedules.ts.

// float64 values of the specification, section 10.
test.each([
  [0, 0.9999],
  [1, 0.999780092],
  [19, 0.994230952],
  [40, 0.979766924],
  [260, 0.49498682],
  [500, 0.0777966584],
  [700, 0.00686827889],
  [980, 5.90375137e-5],
  [999, 4.03582977e-5],
])("linear: alphaBar at %i is %f", (t, want) => {
  expect(Math.abs(linear().alphaBars[t]! / want - 1)).toBeLessThan(2e-6);
});

test("why: every buffer is what its name says", () => {
  const s = linear(50);
  for (let t = 0; t < s.steps; t++) {
    const alpha = 1 - s.betas[t]!;
    const bar = s.alphaBars[t]!;
    expect(s.alphas[t]).toBeCloseTo(alpha, 6);
    expect(s.sigmas[t]).toBeCloseTo(Math.sqrt(s.betas[t]!), 6);
    expect(s.sqrtAlphasInv[t]).toBeCloseTo(1 / Math.sqrt(alpha), 5);
    expect(s.sqrtAlphaBars[t]).toBeCloseTo(Math.sqrt(bar), 6);
    expect(s.sqrtOneMinusAlphaBars[t]).toBeCloseTo(Math.sqrt(1 - bar), 6);
    expect(s.oneMinusAlphasOverSqrtOneMinusAlphaBars[t]! / (s.betas[t]! / Math.sqrt(1 - bar))).toBeCloseTo(1, 3);
  }
});

test("why: the cosine schedule is Nichol and Dhariwal's, clipped, and warps with k", () => {
  const g = (s: number) => Math.cos((Math.PI / 2) * ((s + 0.008) / 1.008)) ** 2;
  const { betas, alphaBars } = cosine(100);
  for (const t of [0, 10, 50, 80]) expect(alphaBars[t]! / (g((t + 1) / 100) / g(0))).toBeCloseTo(1, 4);
  expect(betas[99]).toBe(Math.fround(0.1));
  expect(cosine(100, { betaMax: 0.5 }).betas[99]).toBe(0.5);
  expect(cosineWarped(100, 1).betas).toEqual(betas);
  expect(cosineWarped(100, 2).betas[50]!).toBeLessThan(betas[50]!);
});

test("why: the official jumps lag by one timestep, and both last ones lead to 1", () => {
  const { alphaBars } = linear();
  const jumps = ddimJumps(alphaBars, 50);
  const next = (t: number) => jumps.find((jump) => jump.t === t)!.aNext;
  expect(jumps.length).toBe(50);
  expect(jumps[0]).toEqual({ t: 980, a: alphaBars[980], aNext: alphaBars[959] });
  expect([next(500), next(40), next(20), next(0)]).toEqual([alphaBars[479], alphaBars[19], 1, 1]);
});

test("why: without the quirk each jump ends where the next begins", () => {
  const jumps = ddimJumps(linear().alphaBars, 50, false);
  jumps.slice(1).forEach(({ a }, k) => {
    expect(jumps[k]!.aNext).toBe(a);
  });
  expect(jumps.at(-1)!.aNext).toBe(1);
});

test("why: impossible schedules are refused with the number", () => {
  expect(() => linear(20)).toThrow("20 steps would end at beta = 1");
  expect(() => cosine(2.5)).toThrow("2.5 steps");
  expect(() => schedule(Float32Array.of(0.1, 1))).toThrow("beta is 1 at t = 1");
  expect(() => ddimJumps(linear().alphaBars, 1001)).toThrow("1001 steps asked for");
});
