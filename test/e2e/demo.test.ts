// The commands that show something: doctor, demo --explain, demo --smoke.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { command } from "./command.js";

const LIMIT_MS = 300_000; // some ten seconds where nothing else runs

const uiface = command();

test("why: doctor says what was found, whether it computes, how fast, and what to do next", {
  timeout: LIMIT_MS,
}, async () => {
  const json = await uiface.run(["doctor", "--json"]);
  expect(json.code, json.err).toBe(0);
  const report = JSON.parse(json.out);
  expect(report).toMatchObject({
    adapter: expect.any(String),
    tried: expect.arrayContaining([{ kind: report.kind, found: report.adapter }]),
    limits: { maxBufferSize: expect.any(Number), maxStorageBufferBindingSize: expect.any(Number) },
    features: expect.any(Array),
    next: expect.stringContaining("npm start"),
  });
  expect(report.selfTest.map((t: { ok: boolean }) => t.ok)).toEqual([true, true, true]);
  const rates = report.selfTest.map((t: { rate: string }) => t.rate).join();
  expect(rates).toMatch(/\d GB\/s.*\d GFLOP\/s/);

  const text = await uiface.run(["doctor"]);
  expect(text.code, text.err).toBe(0);
  expect(text.out).toContain(`adapter    ${report.adapter} (${report.kind})`);
  expect(text.out).toMatch(/^ok .*GFLOP\/s$/m);
  expect(text.out.trimEnd().split("\n").at(-1)).toBe(report.next);
});

test("why: --explain shows blocks, operations and kernels with shapes, workgroups, bytes and times", {
  timeout: LIMIT_MS,
}, async () => {
  const { code, out, err } = await uiface.run(["demo", "--explain"]);
  expect(code, err).toBe(0);
  const lines = out.trimEnd().split("\n");
  expect(lines.slice(0, 3)).toEqual([expect.stringMatching(/^One step of stage 2, t = 480: 2 images/), "", "UNet"]);
  expect(lines).toContain("      GroupNorm");
  expect(lines.map((line) => line.trim())).toEqual(
    expect.arrayContaining([
      "Block",
      "AttentionBlock",
      "selfAttention",
      "crossAttention",
      "linear",
      "guide",
      "ddimStep",
    ]),
  );
  const kernels = lines.filter((line) => line.includes(".wgsl"));
  expect(kernels.length).toBeGreaterThan(100);
  for (const line of kernels)
    expect(line).toMatch(/^ +\w+\.wgsl {2}\w+ .*\(\d.* \d+ x \d+ x \d+ workgroups {2}\d+ KiB {2}(?:\d+ us|not timed)$/);
  expect(lines.at(-1)).toMatch(new RegExp(`^${kernels.length} kernels, `));
  const names = new Set(lines.filter((line) => !line.includes(".wgsl")).map((line) => line.trim()));
  expect([...names].filter((name) => /^(?:async|work|run|scope|step|walk)$|^[A-Za-z]+2$/.test(name))).toEqual([]);
});

test("why: npm start in small runs every stage, prints what programs can read, and leaves a report", {
  timeout: LIMIT_MS,
}, async () => {
  const { code, out, err } = await uiface.run(["demo", "--smoke", "--json", "--out", "demo"]);
  expect(code, err).toBe(0);
  const result = JSON.parse(out);
  const stages = ["draw", "diffusion", "contexts", "sample", "recogniser", "verify"];
  expect(result.stages.map((s: { name: string }) => s.name)).toEqual(expect.arrayContaining(stages));
  expect(result).toMatchObject({ smoke: true, identities: 2, perIdentity: 2, accuracy: { pairs: 20 } });
  const report = join(uiface.out, "demo", "report.html");
  expect(readFileSync(report, "utf8")).toContain("<html");
  expect(JSON.parse(readFileSync(join(uiface.out, "demo", "report.json"), "utf8"))).toEqual(result);
  expect(existsSync(join(uiface.out, "demo", "faces", "1", "1.png"))).toBe(true);
  expect(existsSync(join(uiface.out, "demo", ".lock"))).toBe(false);
});
