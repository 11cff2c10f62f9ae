// `uiface tune`: a table that the other commands take, also where it was stopped.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Table } from "../../engine/tuning/table.js";
import { command } from "./command.js";

const uiface = command();

test("why: what tune writes is what UIFACE_TUNING takes, and doctor says so", async () => {
  const { code, out, err } = await uiface.run(["tune", "--quick", "--only", "elementwise", "--json"]);
  expect(code, err).toBe(0);
  const table = JSON.parse(out) as Table;
  expect(JSON.parse(readFileSync(join(uiface.out, "tuning.json"), "utf8"))).toEqual(table);
  expect(Object.keys(table.settings)).toEqual([expect.stringMatching(/^(broadcast|tiled)\.elementwise\.vecs$/)]);
  expect(table.date).toMatch(/^\d{4}-\d\d-\d\d$/);
  expect(table.source).toBe("uiface tune --quick --only elementwise --json");
  expect(err).toMatch(/^adapter {2}.*\n[\s\S]*rounds +\d+ of \d+/);

  const doctor = await uiface.run(["doctor", "--json"], { env: { UIFACE_TUNING: "tuning.json" } });
  expect(doctor.code, doctor.err).toBe(0);
  expect((JSON.parse(doctor.out) as { tuning: string }).tuning).toBe("tuning.json");
});

test("why: Ctrl-C keeps what was found so far and ends with 130", async () => {
  const run = uiface.start(["tune", "--quick", "--out", "some.json"]);
  let err = "";
  run.child.stderr!.on("data", (text) => {
    err += text;
  });
  await run.until(() => err.includes("rounds"));
  run.child.kill("SIGINT");
  const { code, out } = await run.ended;
  expect(code, err).toBe(130);
  expect(err).toContain("Stopping; what was found is kept.");
  if (!existsSync(join(uiface.out, "some.json"))) return; // not one setting was decided yet
  const table = JSON.parse(readFileSync(join(uiface.out, "some.json"), "utf8")) as Table;
  expect(Object.keys(table.settings).length).toBeGreaterThan(0);
  expect(out).toContain("matmul.");
});

test("why: a group that the adapter does not have is named, before anything is measured", async () => {
  const { code, out, err } = await uiface.run(["tune", "--only", "covn"]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toMatch(/^--only covn: there is no such group\. The (broadcast|tiled) kernels have matmul, conv, /);
});
