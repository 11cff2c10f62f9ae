// Where the text of a shader comes from: the folder `shaders/` beside this one (beside the bundle, once bundled).
// A page's bundle replaces this module by one that holds the texts.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../shaders/", import.meta.url);
const texts = new Map<string, string>();

/** The text of `shaders/<path>`. */
export function shaderSource(path: string): string {
  const known = texts.get(path);
  if (known !== undefined) return known;
  const text = readFileSync(fileURLToPath(new URL(path, folder)), "utf8");
  texts.set(path, text);
  return text;
}

/** Puts `text` in the place of `shaders/<path>` for this process. For tools that change kernels; see Kernel.forget. */
export function overrideSource(path: string, text: string): void {
  texts.set(path, text);
}
