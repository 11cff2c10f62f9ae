import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openTensors } from "../../engine/io/open.js";
import { bytesSource, type Source } from "../../engine/io/source.js";
import type { TensorFile } from "../../engine/io/tensor-file.js";
import {
  asExpected,
  asRead,
  type Bad,
  type ExpectedCheckpoint,
  type ExpectedTensor,
  expected,
  filesDir,
  formatsDir,
  readAll,
  readJson,
  refusalOf,
  stopwatch,
  traces,
} from "./golden-files.js";

afterAll(() => expect(traces()).toEqual([]));

const stateDicts = readJson<Record<string, Record<string, ExpectedTensor>>>(filesDir, "expected.json");

function check(file: TensorFile, tensors: Record<string, ExpectedTensor>): void {
  for (const [name, tensor] of Object.entries(tensors)) {
    expect(asRead(file.read(name)), name).toEqual(asExpected(tensor));
    expect(file.info(name)).toEqual({ dtype: asExpected(tensor).dtype, shape: tensor.shape });
  }
}

test.each(Object.entries(stateDicts))("%s: every type, a view, a shared storage, a scalar", async (name, tensors) => {
  const file = await openTensors(join(filesDir, name));
  expect(file.format).toBe("torch zip");
  expect(file.names).toEqual(Object.keys(tensors));
  check(file, tensors);
});

test("why: the legacy stream of the same state dict holds the same", async () => {
  const file = await openTensors(join(filesDir, "state_dict_legacy.pt"));
  expect(file.format).toBe("torch legacy");
  check(file, stateDicts["state_dict.pt"]!);
});

describe("why: what CUDA, Lightning and other hands wrote reads the same", () => {
  test.each(Object.entries(expected.torch))("%s", async (name, want) => {
    const file = await openTensors(join(formatsDir, name));
    check(file, want.tensors ?? {});
    if (want.bare) {
      expect(file.names).toHaveLength(1);
      expect(asRead(file.read(file.names[0]!))).toEqual(asExpected(want.bare));
    }
    checkScalars(file, want);
  });
});

function checkScalars({ metadata }: TensorFile, want: ExpectedCheckpoint): void {
  for (const [name, value] of Object.entries({ ...want.scalars, ...want.nested })) {
    const text = metadata.get(name) ?? `no ${name}`;
    if (Array.isArray(value)) expect(text.match(/[-+.\deE]+/g)?.map(Number), name).toEqual(value);
    else if (typeof value === "number") expect(Number(text), name).toBe(value);
    else expect(text, name).toBe(value);
  }
  const key = want.class_key;
  if (key) expect([...metadata.keys()].some((name) => name.includes(key))).toBe(true);
}

test("why: a Lightning checkpoint's nested containers are names joined with a dot", async () => {
  const file = await openTensors(join(filesDir, "nested.ckpt"));
  const weights = file.names.filter((name) => name.startsWith("state_dict."));
  expect(weights.length).toBeGreaterThan(0);
  expect(file.names.some((name) => /^optimizer_states\.0\.state\.\d+\./.test(name))).toBe(true);
  expect(file.metadata.get("epoch")).toMatch(/^\d+$/);
  expect(file.metadata.get("pytorch-lightning_version")).toMatch(/^\d/);
});

test("why: tensors are read one at a time, and opening reads none of them", async () => {
  for (const name of [...Object.keys(stateDicts), "state_dict_legacy.pt"]) {
    const { source, taken } = counting(name, readFileSync(join(filesDir, name)));
    const file = await openTensors(source);
    const opened = taken();
    expect(opened.largest).toBeLessThanOrEqual(source.size);
    for (const tensor of file.names) {
      taken();
      const { data } = file.read(tensor);
      const { total } = taken();
      // A contiguous tensor takes its own bytes; a view may span more, up to its storage.
      if (!tensor.startsWith("view")) expect(total, tensor).toBeLessThanOrEqual(data.byteLength);
    }
  }
});

describe("why: a stream as Python 2 and PyTorch 0.4 wrote it (LPIPS's own weights are such files)", () => {
  const short = (text: string) => `U${String.fromCharCode(text.length)}${text}`;
  const storage = (key: string, n: number) =>
    `(${short("storage")}ctorch\nFloatStorage\n${short(key)}${short("cuda:0")}\x8a\x01${String.fromCharCode(n)}NtQ`;
  const tensor = (key: string, n: number, hooks: string) =>
    `ctorch._utils\n_rebuild_tensor_v2\n(${storage(key, n)}K\0(K\x01\x8a\x01${String.fromCharCode(n)}t(\x8a\x01${String.fromCharCode(n)}K\x01t\x89${hooks}tR`;
  const stream = (object: string, keys: string[], values: number[][]) => {
    const system = `\x80\x02}(${short("protocol_version")}M\xe9\x03${short("little_endian")}\x88u.`;
    const pickles = `\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.${system}\x80\x02${object}.\x80\x02](${keys.map(short).join("")}e.`;
    const storages = values.flatMap((list) => {
      const count = Buffer.alloc(8);
      count.writeBigInt64LE(BigInt(list.length));
      return [count, Buffer.from(Float32Array.from(list).buffer)];
    });
    return bytesSource("old.pth", Buffer.concat([Buffer.from(pickles, "latin1"), ...storages]));
  };
  const dict = (...pairs: [string, string][]) =>
    `ccollections\nOrderedDict\n](${pairs.map(([name, value]) => `](${short(name)}${value}e`).join("")}e\x85R`;

  test("names are bytes, an OrderedDict is a list of pairs, counts are longs, hooks are None", async () => {
    const object = dict(["lin0.weight", tensor("77", 2, "N")], ["lin1.weight", tensor("5", 3, "N")]);
    const file = await openTensors(
      stream(
        object,
        ["5", "77"],
        [
          [1, 2, 3],
          [-1, 0.5],
        ],
      ),
    );
    expect(file.names).toEqual(["lin0.weight", "lin1.weight"]);
    expect(asRead(file.read("lin0.weight"))).toEqual({ dtype: "f32", shape: [1, 2], values: ["-1", "0.5"] });
    expect(asRead(file.read("lin1.weight")).values).toEqual(["1", "2", "3"]);
  });
  test.each<[string, Source, string]>([
    [
      "a key twice in the list",
      stream(dict(["a", tensor("5", 1, "N")]), ["5", "5"], [[1], [2]]),
      "storage 5 is in the stream",
    ],
    ["hooks that are a call", stream(dict(["a", tensor("5", 1, "cos\nsystem\n")]), ["5"], [[1]]), "other arguments"],
    [
      "two tensors of one joined name",
      stream(
        `}(${short("a.b")}${tensor("5", 1, "N")}${short("a")}}${short("b")}${tensor("5", 1, "N")}su`,
        ["5"],
        [[1]],
      ),
      'two tensors are called "a.b"',
    ],
    [
      "a module with its source",
      stream(`(${short("module")}N${short("x.py")}${short("code")}tQ`, [], []),
      "a whole module",
    ],
  ])("why: %s is refused", async (_, source, message) => {
    expect((await refusalOf(() => openTensors(source)))?.message).toContain(message);
  });
});

function counting(name: string, bytes: Uint8Array) {
  const inner = bytesSource(name, bytes);
  let counts = { total: 0, largest: 0 };
  const source: Source = {
    ...inner,
    read(position, length) {
      counts = { total: counts.total + length, largest: Math.max(counts.largest, length) };
      return inner.read(position, length);
    },
  };
  const taken = () => {
    const before = counts;
    counts = { total: 0, largest: 0 };
    return before;
  };
  return { source, taken };
}

const bad = Object.entries(expected.bad).filter(([, { kind }]) => kind.startsWith("torch"));
const evil: [string, Bad][] = ["evil.pt", "evil.pkl", "truncated.pt"].map((name) => [
  name,
  { error: true, kind: "", why: "runs a command, or is cut" },
]);

describe("why: hostile and broken checkpoints are refused, by name and place", () => {
  test.each([
    ...bad.map(([name, want]) => [join(formatsDir, "bad", name), want] as const),
    ...evil.map(([name, want]) => [join(filesDir, name), want] as const),
  ])("%s", async (path, { error, why }) => {
    const elapsed = stopwatch();
    const refusal = await refusalOf(() => readAll(path));
    expect(elapsed()).toBeLessThan(2000);
    if (error === true) expect(refusal?.message, why).toContain(path);
    if (error === false) expect(refusal, why).toBeUndefined();
    if (refusal) expect(refusal.message).toMatch(/ is refused: .+\.\n.+/);
  });
});

test("why: an error in the pickle says the member, the byte, the opcode, the call, and the way out", async () => {
  const path = join(filesDir, "evil.pt");
  const refusal = await refusalOf(() => openTensors(path));
  expect(refusal!.message).toMatch(
    /evil\.pt:[\w.]+\/data\.pkl is refused: it calls "\w+\.system", which is not on the list, at byte \d+ \(REDUCE\)\.\n/,
  );
  expect(refusal!.message).toContain("Nothing was loaded and nothing was run. Save the state dict alone");
  expect(refusal!.exitCode).toBe(4);
});
