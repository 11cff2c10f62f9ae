import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openTensors } from "../../engine/io/open.js";
import { bytesSource } from "../../engine/io/source.js";
import { UNNAMED } from "../../engine/io/tensor-file.js";
import { goldenDir } from "../golden.js";
import { asRead, expected, filesDir, formatsDir, readAll, refusalOf, stopwatch, traces } from "./golden-files.js";
import { npyOf, zipOf } from "./make-files.js";

afterAll(() => expect(traces()).toEqual([]));

const open = (name: string, ...parts: (string | Uint8Array)[]) =>
  openTensors(
    bytesSource(name, Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p, "latin1") : p)))),
  );
const messageOf = async (run: () => unknown) => (await refusalOf(run))?.message;

describe("why: every kind is told by its content, whatever the file is called", () => {
  const first = (kind: "torch" | "npz") => join(formatsDir, Object.keys(expected[kind])[0]!);
  test.each<[string, string, RegExp]>([
    ["a safetensors file", join(filesDir, "good.safetensors"), /^safetensors$/],
    ["an array", join(filesDir, "contexts_f32.npy"), /^npy$/],
    ["an archive of arrays", first("npz"), /^npz$/],
    ["a checkpoint", first("torch"), /^torch (zip|legacy)$/],
  ])("%s", async (_, path, format) => {
    const file = await openTensors(bytesSource("x.bin", readFileSync(path)));
    expect(file.format).toMatch(format);
    expect(file.path).toBe("x.bin");
    for (const name of file.names) expect(file.read(name).shape).toEqual(file.info(name).shape);
  });

  test("a safetensors header of 19,280 bytes begins like a zip archive", async () => {
    const header = `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`.padEnd(0x4b50);
    const file = await open("pk.bin", "PK\0\0\0\0\0\0", header, "\x07");
    expect([...file.read("a").data]).toEqual([7]);
  });
});

describe("why: arrays under the forms that contexts come in", () => {
  const vector = (values: number[]) => {
    const raw = Buffer.from(Float32Array.from(values).buffer).toString("latin1");
    return `cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR(K\x01(K${String.fromCharCode(values.length)}tcnumpy\ndtype\n(U\x02f4K\0K\x01tR\x89U${String.fromCharCode(raw.length)}${raw}tb`;
  };
  const dict = `}(X\x02\0\0\0id${vector([1, 2])}X\x04\0\0\0id.2${vector([3, 4])}u`;
  const array0d = (value: string) =>
    `\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR(K\x01)cnumpy\ndtype\n(U\x02O8K\0K\x01tR\x89]${value}atb.`;

  test("one array has one name", async () => {
    const file = await open("a.npy", npyOf("<i2", [2], Buffer.from([1, 0, 2, 0])));
    expect(file.names).toEqual([UNNAMED]);
    expect(asRead(file.read(UNNAMED))).toEqual({ dtype: "i16", shape: [2], values: ["1", "2"] });
    expect(() => file.read("other")).toThrow('a.npy has no tensor "other"');
  });
  test("a pickled dict of arrays", async () => {
    const file = await open("contexts.npy", "\x80\x02", dict, ".");
    expect(file.format).toBe("pickle");
    expect(file.names).toEqual(["id", "id.2"]);
    expect([...file.read("id.2").data]).toEqual([3, 4]);
  });
  test("a dict that numpy.save wrapped in an array", async () => {
    const file = await open("contexts.npy", npyOf("|O", [], Buffer.from(array0d(dict), "latin1")));
    expect(file.format).toBe("npy");
    expect([...file.read("id").data]).toEqual([1, 2]);
  });
  test.each([
    [
      "a dict of anything else",
      npyOf("|O", [], Buffer.from(array0d("}U\x01aK\x01s"), "latin1")),
      "not a dict of arrays",
    ],
    ["a list", npyOf("|O", [], Buffer.from(array0d("]"), "latin1")), "it holds a list of 0, and not a dict of arrays"],
    ["a call", npyOf("|O", [], Buffer.from("\x80\x02cos\nsystem\nU\x02id\x85R.", "latin1")), 'it calls "os.system"'],
    ["an array of objects", npyOf("|O", [1], Buffer.from(array0d(dict), "latin1")), "it holds Python objects"],
  ])("%s is refused", async (_, bytes, message) => {
    expect(await messageOf(() => open("contexts.npy", bytes))).toContain(message);
  });
});

describe("why: nested containers cannot be made to grow without end", () => {
  const laughs = `\x80\x02]q\0N${"a"}${Array.from({ length: 40 }, (_, i) => `](h${String.fromCharCode(i)}h${String.fromCharCode(i)}eq${String.fromCharCode(i + 1)}`).join("0")}.`;
  test.each([
    ["lists of lists, doubled 40 times", laughs],
    ["a list that holds itself", "\x80\x02]q\0h\0a."],
    ["a list nested 1,000 deep", `\x80\x02${"]".repeat(1000)}${"a".repeat(999)}.`],
    ["a key of 2,000 letters above another", `\x80\x02}B\0\0\0\0}X\xd0\x07\0\0${"k".repeat(2000)}NssX\x01\0\0\0a.`],
    [
      "a list of 100,000 numbers, repeated 100,000 times",
      `\x80\x02](]q\0(${"K\x01".repeat(1e5)}e${"h\0".repeat(1e5)}e.`,
    ],
  ])("%s", async (_, text) => {
    const elapsed = stopwatch();
    expect(await messageOf(() => open("x.pkl", text))).toContain("x.pkl is refused");
    expect(elapsed()).toBeLessThan(1000);
  });
});

describe("why: files that are something else are refused by the name of what they are", () => {
  test.each<[string, string, string]>([
    ["MXNet RecordIO", "\x0a\x23\xd7\xce\0\0\0\0", "RecordIO"],
    ["parquet", "PAR1\0\0\0\0PAR1", "parquet"],
    ["gzip", "\x1f\x8b\x08\0", "gzip"],
    ["Keras", "\x89HDF\r\n\x1a\n", "HDF5"],
    ["GGUF", "GGUF\x03\0\0\0\0\0", "GGUF"],
    ["a web page", "<!DOCTYPE html><html>", "a web page"],
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\n", "Git LFS"],
    ["nothing", "", "it is empty"],
    ["noise", "\x01\x02\x03", "it begins with 01 02 03, which no known file does"],
  ])("%s", async (_, text, message) => {
    const refusal = await messageOf(() => open("x.safetensors", text));
    expect(refusal).toContain("x.safetensors is refused: ");
    expect(refusal).toContain(message);
    expect(refusal).toContain("\nFiles of tensors are safetensors, torch checkpoints");
  });
  test("a zip archive of something else", async () => {
    const zip = zipOf([{ name: "word/document.xml", data: Buffer.from("x") }]);
    expect(await messageOf(() => open("x.docx", zip))).toContain('its first member is "word/document.xml"');
    expect(await messageOf(() => open("x.zip", zipOf([])))).toContain("without members");
  });

  const formats = join(goldenDir(), "formats");
  const files = [join(formats, "files"), join(formats, "rec"), join(formats, "tfrecord")].flatMap((folder) =>
    (readdirSync(folder, { recursive: true }) as string[])
      .filter((name) => /\.(tar|parquet|rec|tfrecord)$/.test(name) && !name.includes("bad"))
      .map((name) => join(folder, name)),
  );
  test.each(files.filter((path) => statSync(path).isFile()))("%s", async (path) => {
    const message = await messageOf(() => openTensors(path));
    expect(message).toContain(path);
    expect(message).toMatch(/RecordIO|parquet|tar archive|TFRecord|gzip|which no known file/);
  });
});

describe("why: every bad file is refused here too, whatever its kind", () => {
  test.each(Object.entries(expected.bad))("%s", async (name, { error, kind, why }) => {
    const elapsed = stopwatch();
    const refusal = await messageOf(() => readAll(join(formatsDir, "bad", name)));
    expect(elapsed()).toBeLessThan(2000);
    if (error === true || kind === "tar" || kind === "parquet") expect(refusal, why).toContain(name);
  });
});
