// `uiface export` as users run it. UIFACE_ADAPTER names an adapter that does not exist: no device is opened.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { onnxMessages } from "../../engine/io/onnx-proto.js";
import { bytes, command } from "./command.js";

const uiface = command();
const { ModelProto } = await onnxMessages();
const weights = (name: string) => fileURLToPath(new URL(`../../weights/${name}.safetensors`, import.meta.url));
const run = (...args: string[]) => uiface.run(["export", ...args], { env: { UIFACE_ADAPTER: "none" } });

test("why: who runs the file must know its input, so the terminal and the file say it", async () => {
  const { code, out, err } = await run(weights("recogniser"), "r.onnx");
  expect({ code, out }).toEqual({ code: 0, out: "r.onnx\n" });
  expect(err).toMatch(/^input +image {2}f32 \(batch, 3, 64, 64\)$/m);
  expect(err).toMatch(/^output +features {2}f32 \(batch, 128\)$/m);
  expect(err).toMatch(/^input\.channels +RGB$/m);
  expect(err).toMatch(/^input\.range +\[-1, 1\]/m);
  const file = ModelProto.toObject(ModelProto.decode(bytes(join(uiface.out, "r.onnx"))!));
  expect(file.metadata_props).toContainEqual({ key: "input.channels", value: "RGB" });
  expect(file.producer_version).toMatch(/^\d+\.\d+\.\d+$/);
});

test("why: scripts read one JSON object", async () => {
  const { out } = await run(weights("recogniser"), "r.onnx", "--json", "--f16");
  expect(JSON.parse(out)).toMatchObject({
    file: "r.onnx",
    net: "ir_tiny",
    bytes: bytes(join(uiface.out, "r.onnx"))!.length,
    inputs: [{ name: "image" }],
    outputs: [{ name: "features" }],
  });
});

test("why: help begins with examples", async () => {
  const { code, out } = await run("--help");
  expect(code).toBe(0);
  expect(out).toMatch(/^Examples:\n {2}uiface export /);
});

test("why: a mistake ends with its exit code, and without a file", async () => {
  expect((await run(weights("recogniser"), "r.onnx", "--net", "ir50")).code).toBe(2);
  expect((await run(weights("recogniser"), "r.onnx", "--codes")).code).toBe(2);
  expect((await run("missing.safetensors", "r.onnx")).code).toBe(4);
  const other = await run(weights("diffusion"), "r.onnx");
  expect(other.code).toBe(4);
  expect(other.err).not.toMatch(/^ +at /m);
  expect(existsSync(join(uiface.out, "r.onnx"))).toBe(false);
});
