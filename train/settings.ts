// A script's settings: defaults in the script, `--name value` on the command line, presets between the two.

import { writeSync } from "node:fs";
import { UsageError } from "../engine/errors.js";

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
    else if (Object.hasOwn(defaults, name))
      values[name] = typed(script, name, defaults[name]!, options.choices?.[name], next());
    else unknown(script, flag!, [...Object.keys(defaults), ...(options.presets ? ["preset"] : [])]);
  }
  return { preset, values };
}

/** first-cycle as firstCycle. */
const camel = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function typed(
  script: string,
  name: string,
  fallback: Value,
  choices: readonly string[] | undefined,
  text: string,
): Value {
  if (choices?.includes(text)) return text;
  const words = choices ? ` or one of ${choices.join(", ")}` : "";
  if (typeof fallback === "number")
    return numberOf(text) ?? fail(script, `--${name} takes a number${words}, not "${text}"`);
  if (Array.isArray(fallback)) {
    const list = text === "" ? [] : text.split(",").map(numberOf);
    if (list.every((n) => n !== undefined)) return list;
    fail(script, `--${name} takes numbers with commas between, such as ${fallback.join(",") || "1,2"}, not "${text}"`);
  }
  if (choices) fail(script, `--${name} takes ${choices.join(", ")}, not "${text}"`, nearest(text, choices));
  return text;
}

/** Also 10_000. */
function numberOf(text: string): number | undefined {
  const value = Number(text.replaceAll("_", ""));
  return text.trim() !== "" && Number.isFinite(value) ? value : undefined;
}

function booleanOf(script: string, name: string, text: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  return fail(script, `--${name} takes true or false, not "${text}"`);
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
  return fail(script, `there is no setting --${flag}`, near && `--${near}`);
}

function fail(script: string, what: string, near?: string): never {
  throw new UsageError(`${script}: ${what}.${near ? ` Did you mean ${near}?` : ""}\nSee all settings with --help.`);
}

/** The name with the fewest changed letters, if they are few. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((name) => ({ name, edits: distance(word.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best && best.edits <= Math.max(1, Math.floor(best.name.length / 2)) ? best.name : undefined;
}

/** Levenshtein's: insertions, deletions and replacements from a to b. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
  }
  return row[b.length]!;
}

function help<T extends Settings>(
  script: string,
  defaults: T,
  { summary, about, presets = {}, choices }: SettingsOptions<T>,
): string {
  const width = Math.max(...Object.keys(defaults).map((name) => name.length)) + 2;
  const column = Math.max(...Object.values(defaults).map((value) => show(value).length)) + 2;
  const rows = Object.entries(defaults).map(([name, value]) => {
    const words = choices?.[name] ? ` (${choices[name].join(", ")})` : "";
    return `  --${name.padEnd(width)}${show(value).padEnd(column)}${about?.[name] ?? ""}${words}`.trimEnd();
  });
  const sets = Object.entries(presets).map(([name, set]) => {
    const parts = Object.entries(set).map(([key, value]) => `--${key} ${show(value as Value)}`);
    return `  --preset ${name}    ${parts.join(" ")}`;
  });
  return `${script}${summary ? `: ${summary}` : ""}

Settings, with their defaults:
${rows.join("\n")}
${sets.length ? `\nPresets:\n${sets.join("\n")}\n` : ""}`;
}

const show = (value: Value): string => (Array.isArray(value) ? value.join(",") : String(value));
