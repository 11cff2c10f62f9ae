// Reads the table of settings that a user names: openDevice({ tuning: FILE }) or UIFACE_TUNING. Node only.

import { readFileSync } from "node:fs";
import { FileError } from "../errors.js";

/** What the file holds, unchecked; table.ts#checkedTable looks at it. */
export function readTable(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new FileError(`${path}: this table of kernel settings cannot be read (${code}).
UIFACE_TUNING or openDevice({ tuning }) names it. Unset it to take the built-in one, or make one: \`uiface tune --out FILE\`.`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FileError(`${path}: no JSON: ${(error as Error).message}
Make it again with \`uiface tune --out FILE\`.`);
  }
}
