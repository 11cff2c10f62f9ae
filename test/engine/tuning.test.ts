// Which table of settings an adapter gets, and what is refused: no GPU is needed, so none is asked.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import type { AdapterKind } from "../../engine/adapter.js";
import { openDevice } from "../../engine/device.js";
import { FileError, UsageError } from "../../engine/errors.js";
import { everySetting, portable, valueAt, withSettings } from "../../engine/tuning/settings.js";
import { builtIn, matches, type Table, tableFor, tileMisfit } from "../../engine/tuning/table.js";

vi.mock("../../engine/adapter.js", async () => (await import("../dry-device.js")).dryAdapters());

const folder = mkdtempSync(join(tmpdir(), "tuning-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env.UIFACE_TUNING;
});

/** What a dry adapter of a kind is opened with. */
async function opened(kind: AdapterKind, tuning?: Table | string) {
  const dev = await openDevice({ kind, tuning });
  dev.close();
  return { name: dev.tuningName, tuning: dev.tuning };
}

function file(text: string): string {
  const path = join(folder, "table.json");
  writeFileSync(path, text);
  return path;
}

const table = (settings: Record<string, number>): Table => ({ name: "mine", adapter: {}, settings });

describe("settings", () => {
  test("the portable value of each is one of those it may have, and they stand in order", () => {
    for (const [path, { portable, values }] of everySetting) {
      expect(values, path).toContain(portable);
      expect([...values], path).toEqual([...new Set(values)].sort((a, b) => a - b));
    }
  });

  test("the portable tiles run within WebGPU's default limits", () => {
    const defaults = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16_384 };
    expect(tileMisfit(portable, defaults)).toBeUndefined();
    expect(tileMisfit(withSettings(portable, { "tiled.conv.tk": 32 }), defaults)).toMatch(/32,768 bytes.*16,384/);
    const threads = { "tiled.matmul.rn": 4, "tiled.matmul.rm": 4 };
    expect(tileMisfit(withSettings(portable, threads), defaults)).toMatch(/1024 threads.*256/);
  });
});

describe("the table of an adapter", () => {
  test("every built-in one holds known settings and allowed values", () => {
    const known = new Map(everySetting);
    for (const { name, settings } of builtIn)
      for (const [path, value] of Object.entries(settings))
        expect(known.get(path)?.values, `${name}: ${path}`).toContain(value);
  });

  test("lavapipe and SwiftShader have theirs", async () => {
    const lavapipe = await opened("lavapipe");
    expect(lavapipe.name).toBe("lavapipe");
    expect(lavapipe.tuning.broadcast.matmul).toEqual({ rows: 32, columns: 2, depths: 4, wideDepths: 2 });
    expect((await opened("swiftshader")).name).toBe("swiftshader");
  });

  test("why: an adapter that nobody measured runs on the portable setting, not on a neighbour's", async () => {
    expect(await opened("gpu")).toEqual({ name: "portable", tuning: portable });
    expect(tableFor({ kind: "lavapipe", subgroupSize: 4 }).name).toBe("portable");
    expect(tableFor({}).name).toBe("portable");
  });

  test("all that a table says of its adapter must hold", () => {
    const adapter = {
      kind: "gpu",
      vendor: "nvidia",
      architecture: "ampere",
      description: "NVIDIA RTX 3090 (driver 550)",
    };
    expect(matches({ vendor: "NVIDIA", description: "rtx 3090" }, adapter)).toBe(true);
    expect(matches({ vendor: "nvidia", architecture: "turing" }, adapter)).toBe(false);
    expect(matches({ vendor: "nvidia", subgroupSize: 32 }, adapter)).toBe(false);
    expect(matches({}, adapter), "a table without an adapter is nobody's").toBe(false);
    const mine = { ...table({ "tiled.elementwise.vecs": 2 }), adapter: { vendor: "nvidia" } };
    expect(tableFor(adapter, [mine]).tuning.tiled.elementwise.vecs).toBe(2);
  });
});

describe("a table of one's own", () => {
  const vecs = "tiled.elementwise.vecs";

  test("is taken from the option, from a file, from UIFACE_TUNING; what it leaves out is portable", async () => {
    const path = file(JSON.stringify(table({ [vecs]: 4 })));
    process.env.UIFACE_TUNING = path;
    for (const given of [table({ [vecs]: 4 }), path, undefined]) {
      const { name, tuning } = await opened("lavapipe", given);
      expect(name).toBe(typeof given === "object" ? "mine" : path);
      expect(tuning).toEqual(withSettings(portable, { [vecs]: 4 }));
    }
  });

  test.each([
    { why: "no file", text: undefined, message: /nothing\.json: .*cannot be read \(ENOENT\)/ },
    { why: "half a file", text: '{"settings": {', message: /table\.json: no JSON/ },
    { why: "no table", text: "[1, 2]", message: /no table of settings/ },
    { why: "settings that are no object", text: '{"settings": [3]}', message: /no table of settings/ },
    {
      why: "a wrong name",
      text: '{"settings": {"tiled.elementwise.vec": 4}}',
      message: /no setting "tiled\.elementwise\.vec"\.\nDid you mean tiled\.elementwise\.vecs\?/,
    },
    {
      why: "a value that no kernel has",
      text: '{"settings": {"tiled.elementwise.vecs": 3}}',
      message: /vecs is 3, but can only be 1, 2, 4 \(vec4's a thread\)\.\nLeave the line out/,
    },
    {
      why: "a value of another type",
      text: '{"settings": {"tiled.elementwise.vecs": "4"}}',
      message: /vecs is "4", but/,
    },
    { why: "a name that every object has", text: '{"settings": {"toString": 1}}', message: /no setting "toString"/ },
    {
      why: "tiles that this adapter has no memory for",
      text: '{"settings": {"tiled.conv.buffers": 2}}',
      message: /tiled\.conv needs 32,768 bytes of workgroup memory; this adapter has 16,384/,
    },
  ])("$why ends with one message and exit code 4", async ({ text, message }) => {
    const path = text === undefined ? join(folder, "nothing.json") : file(text);
    const error: unknown = await opened("gpu", path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FileError);
    expect((error as FileError).message).toMatch(message);
    expect((error as FileError).exitCode).toBe(4);
  });

  test("a wrong option is a wrong use: exit code 2", async () => {
    const error: unknown = await opened("gpu", table({ [vecs]: 5 })).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(/^openDevice\(\{ tuning \}\): tiled\.elementwise\.vecs is 5/);
  });
});

test("other values at some paths leave the rest as it is", () => {
  const changed = withSettings(portable, { "broadcast.matmul.rows": 32 });
  for (const [path] of everySetting)
    expect(valueAt(changed, path), path).toBe(path === "broadcast.matmul.rows" ? 32 : valueAt(portable, path));
});
