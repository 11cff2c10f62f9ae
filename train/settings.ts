// A script's settings: defaults in the script, `--name value` on the command line, presets between the two.

import { writeSync } from "node:fs";
import { UsageError } from "../engine/errors.js";
import { nearest } from "../engine/nearest.js";
import { numberOf } from "../engine/options.js";

export type Value = string | number | boolean | readonly number[];
export type Settings = Record<string, Value>;

export interface SettingsOptions<T> {
  /** One line on what the script does, for --help. */
  summary?: string;
  /** What a setting means, for --help. */
  about?: { [K in keyof T]?: string };
  /** Sets of settings by name, for `--preset name`. */
  presets?: Record<string, Partial<T>>;
  /** The words a setting takes; one whose default is a number takes numbers besides. */
  choices?: { [K in keyof T]?: readonly string[] };
  /** Settings that take whole numbers only, and from which on. */
  whole?: { [K in keyof T]?: number };
  /** Commands that --help begins with. */
  examples?: readonly string[];
  /** Default: the process's arguments from the first that begins with "-". */
  args?: readonly string[];
}

/**
 * The defaults, overridden by the preset named with --preset, overridden by `--name value` (or `--name=value`; for a boolean
 * `--name` and `--no-name`; for a list `--name 1,2,3`). `--help` prints all of it and ends the process.
 *
 * @param name       of the script, for messages
 * @throws           UsageError for an unknown name (with the nearest), a missing value or one of the wrong type
 */
export function settings<T extends Settings>(name: string, defaults: T, options: SettingsOptions<T> = {}): T {
  const all = options.args ?? process.argv.slice(2);
  const first = all.findIndex((arg) => arg.startsWith("-"));
  const given = parse(name, defaults, options, first < 0 ? [] : all.slice(first));
  if (!given) {
    writeSync(1, help(name, defaults, options));
    process.exit(0);
  }
  const { preset, values } = given;
  return { ...defaults, ...(preset === undefined ? {} : options.presets![preset]), ...values };
}

/** undefined: help was asked for. */
function parse<T extends Settings>(script: string, defaults: T, options: SettingsOptions<T>, args: readonly string[]) {
  const values: Settings = {};
  let preset: string | undefined;
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--help" || arg === "-h") return undefined;
    const [, flag, , inline] =
      /^--([^=]+)(=([\s\S]*))?$/.exec(arg) ??
      fail(script, `"${arg}" is not expected here: settings are given as --name value`);
    const off = camel(flag!).replace(/^no([A-Z])/, (_, letter: string) => letter.toLowerCase());
    const name = camel(flag!);
    const next = () => inline ?? args[++at] ?? fail(script, `--${flag} needs a value`);
    if (name === "preset" && options.presets) preset = presetOf(script, options.presets, next());
    else if (typeof defaults[name] === "boolean")
      values[name] = booleanOf(
        script,
        name,
        inline ?? (/^(true|false)$/.test(args[at + 1] ?? "") ? args[++at]! : "true"),
      );
    else if (!Object.hasOwn(defaults, name) && typeof defaults[off] === "boolean" && inline === undefined)
      values[off] = false;
    else if (Object.hasOwn(defaults, name)) values[name] = typed(script, name, defaults[name]!, options, next());
    else unknown(script, flag!, [...Object.keys(defaults), ...(options.presets ? ["preset"] : [])]);
  }
  return { preset, values };
}

/** firstCycle as first-cycle, as the help and the messages write it. */
const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** first-cycle as firstCycle. */
const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function typed<T>(
  script: string,
  name: string & keyof T,
  fallback: Value,
  options: SettingsOptions<T>,
  text: string,
): Value {
  const choices = options.choices?.[name];
  const least = options.whole?.[name];
  if (choices?.includes(text)) return text;
  const words = choices ? ` or one of ${choices.join(", ")}` : "";
  if (typeof fallback === "number") {
    const value = numberOf(text);
    if (value !== undefined && (least === undefined || (Number.isSafeInteger(value) && value >= least))) return value;
    const kind = least === undefined ? "number" : `whole number from ${least} on`;
    fail(script, `--${kebab(name)} takes a ${kind}${words}, not "${text}"`);
  }
  if (Array.isArray(fallback)) {
    const list = text === "" ? [] : text.split(",").map(numberOf);
    if (list.every((n) => n !== undefined)) return list;
    fail(
      script,
      `--${kebab(name)} takes numbers with commas between, such as ${fallback.join(",") || "1,2"}, not "${text}"`,
    );
  }
  if (choices) fail(script, `--${kebab(name)} takes ${choices.join(", ")}, not "${text}"`, nearest(text, choices));
  return text;
}

function booleanOf(script: string, name: string, text: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  return fail(script, `--${kebab(name)} takes true or false, not "${text}"`);
}

function presetOf(script: string, presets: Record<string, unknown>, text: string): string {
  if (Object.hasOwn(presets, text)) return text;
  return fail(
    script,
    `there is no preset "${text}"; there are ${Object.keys(presets).join(", ")}`,
    nearest(text, Object.keys(presets)),
  );
}

function unknown(script: string, flag: string, names: readonly string[]): never {
  const near = nearest(camel(flag), names);
  return fail(script, `there is no setting --${flag}`, near && `--${kebab(near)}`);
}

function fail(script: string, what: string, near?: string): never {
  throw new UsageError(`${script}: ${what}.${near ? ` Did you mean ${near}?` : ""}\nSee all settings with --help.`);
}

function help<T extends Settings>(
  script: string,
  defaults: T,
  { summary, about, presets = {}, choices, examples = [] }: SettingsOptions<T>,
): string {
  const width = Math.max(...Object.keys(defaults).map((name) => kebab(name).length)) + 2;
  const column = Math.max(...Object.values(defaults).map((value) => show(value).length)) + 2;
  const rows = Object.entries(defaults).map(([name, value]) => {
    const words = choices?.[name] ? ` (${choices[name].join(", ")})` : "";
    return `  --${kebab(name).padEnd(width)}${show(value).padEnd(column)}${about?.[name] ?? ""}${words}`.trimEnd();
  });
  const sets = Object.entries(presets).map(([name, set]) => {
    const parts = Object.entries(set).map(([key, value]) => `--${kebab(key)} ${show(value as Value)}`);
    return `  --preset ${name.padEnd(8)}${parts.join(" ") || "the defaults"}`;
  });
  return `${examples.length ? `Examples:\n${examples.map((line) => `  ${line}\n`).join("")}\n` : ""}${script}${summary ? `: ${summary}` : ""}

Settings, with their defaults:
${rows.join("\n")}
${sets.length ? `\nPresets:\n${sets.join("\n")}\n` : ""}`;
}

const show = (value: Value): string => (Array.isArray(value) ? value.join(",") : String(value));
