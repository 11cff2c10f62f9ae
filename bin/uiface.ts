#!/usr/bin/env node
// The command `uiface`: gathers the subcommands, which each room declares in its own cli.ts, and turns errors into exit codes.

import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { tuneCommand } from "../bench/cli.js";
import { demoCommand } from "../demo/cli.js";
import { UifaceError } from "../engine/errors.js";
import { convertCommand, inspectCommand } from "../files/cli.js";
import { exportCommand } from "../models/onnx-cli.js";
import { sampleCommand } from "../sample/cli.js";
import { trainCommand } from "../train/cli.js";
import { doctorCommand } from "./doctor.js";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("uiface")
  .description("Synthetic faces for training face recognition (UIFace, ICLR 2025) on WebGPU.")
  .version(version)
  .addHelpText("before", "Examples:\n  uiface doctor\n  uiface demo\n  uiface sample --identities 4 --images 8\n")
  .addCommand(demoCommand())
  .addCommand(sampleCommand())
  .addCommand(trainCommand())
  .addCommand(exportCommand())
  .addCommand(inspectCommand())
  .addCommand(convertCommand())
  .addCommand(doctorCommand())
  .addCommand(tuneCommand());

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // the reader (head, less) has seen enough
  throw error;
});

prepare(program, "uiface");
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Commander's own errors: thrown rather than ending the process, worded like ours, with the way out. */
function prepare(command: Command, path: string): void {
  command
    .exitOverride()
    .showHelpAfterError(`See \`${path} --help\`.`)
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: (.)/, (_, first: string) => first.toUpperCase())),
    });
  for (const child of command.commands) prepare(child, `${path} ${child.name()}`);
}

/** Prints one message on stderr and returns the exit code; the stack is shown with DEBUG=1. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (process.env.DEBUG) console.error(error);
  else console.error(error instanceof Error ? error.message : String(error));
  return error instanceof UifaceError ? error.exitCode : 1;
}
