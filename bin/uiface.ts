// The command `uiface`: gathers the subcommands that each room declares in its own cli.ts.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { demoCommand } from "../demo/cli.js";
import { doctorCommand } from "../engine/cli.js";
import { UifaceError } from "../engine/errors.js";
import { sampleCommand } from "../sample/cli.js";
import { trainCommand } from "../train/cli.js";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("uiface")
  .description("Synthetic faces for training face recognition (UIFace, ICLR 2025) on WebGPU.")
  .version(version)
  .showSuggestionAfterError()
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride()
  .addCommand(demoCommand())
  .addCommand(sampleCommand())
  .addCommand(trainCommand())
  .addCommand(doctorCommand());

for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Prints one message on stderr and returns the exit code; the stack is shown with DEBUG=1. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (process.env.DEBUG) console.error(error);
  else console.error(error instanceof Error ? error.message : String(error));
  return error instanceof UifaceError ? error.exitCode : 1;
}
