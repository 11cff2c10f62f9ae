import { expect, test } from "vitest";
import { UsageError } from "../../engine/errors.js";
import { settings } from "../../train/settings.js";

const defaults = {
  data: "data/casia",
  batch: 64,
  lr: 1e-4,
  flip: true,
  lrSteps: [22, 30],
  ema: 0.999 as number | "official-noop",
  unet: "conditional",
};
const options = {
  presets: { tiny: { batch: 4, unet: "tiny" } },
  choices: { ema: ["official-noop", "power"], unet: ["conditional", "tiny"] },
  about: { batch: "images an update" },
};
const read = (...args: string[]) => settings("diffusion", defaults, { ...options, args });

test("why: defaults give way to a preset, both to the command line, whatever the order", () => {
  expect(read()).toEqual(defaults);
  expect(read("--batch", "8", "--preset", "tiny")).toEqual({ ...defaults, batch: 8, unet: "tiny" });
  const s = read("train", "diffusion", "--data=a=b", "--lr", "-3e-5", "--lr-steps", "1,2_000");
  expect(s).toEqual({ ...defaults, data: "a=b", lr: -3e-5, lrSteps: [1, 2000] });
  expect(s.batch + 1).toBe(65); // the types are those of the defaults
});

test("why: booleans are given in many ways", () => {
  expect(read("--no-flip").flip).toBe(false);
  expect(read("--flip", "false", "--batch", "1")).toMatchObject({ flip: false, batch: 1 });
  expect(read("--flip", "--batch", "1")).toMatchObject({ flip: true, batch: 1 });
  expect(() => read("--flip=maybe")).toThrow('--flip takes true or false, not "maybe"');
});

test("why: a number may have words besides", () => {
  expect(read("--ema", "power").ema).toBe("power");
  expect(read("--ema", "0.99").ema).toBe(0.99);
  expect(() => read("--ema", "often")).toThrow("--ema takes a number or one of official-noop, power");
});

test.each([
  [["--bathc", "8"], "there is no setting --bathc. Did you mean --batch?"],
  [["--learning-rate", "8"], "there is no setting --learning-rate.\nSee"],
  [["--batch", "many"], '--batch takes a number, not "many"'],
  [["--batch", ""], '--batch takes a number, not ""'],
  [["--batch"], "--batch needs a value"],
  [["--unet", "tyni"], 'takes conditional, tiny, not "tyni". Did you mean tiny?'],
  [["--preset", "tyni"], 'there is no preset "tyni"; there are tiny. Did you mean tiny?'],
  [["--batch", "8", "more"], '"more" is not expected here'],
  [["--toString", "8"], "there is no setting --toString"],
  [["--lrSteps", "1,x"], '--lr-steps takes numbers with commas between, such as 22,30, not "1,x"'],
  [["--batch", "--lr"], '--batch takes a number, not "--lr"'],
])("why: a mistyped setting must not train the wrong thing for a week: %s", (args, message) => {
  expect(() => read(...args)).toThrow(UsageError);
  expect(() => read(...args)).toThrow(message);
});

test("why: half an image, or none, is no batch", () => {
  const whole = { batch: 1 };
  expect(settings("x", { batch: 8, lr: 0.1 }, { whole, args: ["--batch", "1_0", "--lr", "0.5"] })).toEqual({
    batch: 10,
    lr: 0.5,
  });
  for (const text of ["0", "2.5", "-1", "1e30"])
    expect(() => settings("x", { batch: 8 }, { whole, args: ["--batch", text] })).toThrow(
      `--batch takes a whole number from 1 on, not "${text}"`,
    );
});
