// Runs one stage in a process of its own, so that a crash of the driver, a lost GPU or a hang costs that stage alone.
//
// The child prints one Piece a line on stdout. It is killed when its time is over; the pieces that came before are kept.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Table } from "../table.js";
import { type AdapterLine, type Piece, timeFor } from "./stage.js";

/** What became of a stage. */
export interface StageResult {
  name: string;
  title: string;
  state: "ok" | "failed" | "skipped" | "out of time";
  /** Why it is not ok. */
  reason?: string;
  seconds: number;
  adapter?: AdapterLine;
  notes: string[];
  tables: Table[];
}

/** A stage, as far as its parent knows it. */
interface Wanted {
  name: string;
  title: string;
  seconds: number;
}

/** Characters of stderr that a message shows at most. */
const TAIL = 1500;

/** @param line   the command that runs the stage and prints its pieces */
export async function runStage({ name, title, seconds }: Wanted, line: readonly string[]): Promise<StageResult> {
  const start = performance.now();
  const result: StageResult = { name, title, state: "ok", seconds: 0, notes: [], tables: [] };
  const child = spawn(line[0]!, line.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  let [said, late] = ["", false];
  child.stderr.on("data", (text) => {
    said = (said + String(text)).slice(-TAIL);
  });
  createInterface({ input: child.stdout }).on("line", (text) => take(result, text));
  const allowed = () => timeFor(seconds, result.adapter);
  const watch = setInterval(() => {
    if (performance.now() - start < 1000 * allowed()) return;
    late = true;
    child.kill("SIGKILL");
  }, 100);
  const ended = await new Promise<string | undefined>((resolve) => {
    child.on("error", (error) => resolve(`could not be started: ${error.message}`));
    child.on("close", (code, signal) =>
      resolve(signal ? `ended by ${signal}` : code ? `exit code ${code}` : undefined),
    );
  });
  clearInterval(watch);
  result.seconds = (performance.now() - start) / 1000;
  if (late) {
    result.state = "out of time";
    result.reason = `Ended after ${allowed()} s; what was measured until then is kept.`;
  } else if (ended && result.state !== "failed") {
    result.state = "failed";
    result.reason = `${ended}${said.trim() && `\n${said.trim()}`}`;
  }
  return result;
}

/** Puts a piece in its place. Lines that are none (a library's own words) are left out. */
function take(result: StageResult, text: string): void {
  let piece: Piece;
  try {
    piece = JSON.parse(text) as Piece;
  } catch {
    return;
  }
  if ("adapter" in piece) result.adapter = piece.adapter;
  else if ("table" in piece) addTable(result.tables, piece.table);
  else if ("note" in piece) result.notes.push(piece.note);
  else if ("skipped" in piece) Object.assign(result, { state: "skipped", reason: piece.skipped });
  else if ("error" in piece) Object.assign(result, { state: "failed", reason: piece.error });
}

/** A table of a title that is there already goes on with its rows. */
function addTable(tables: Table[], table: Table): void {
  const at = tables.findIndex((t) => t.title === table.title);
  if (at < 0) tables.push(table);
  else tables[at] = { ...table, rows: [...tables[at]!.rows, ...table.rows] };
}
