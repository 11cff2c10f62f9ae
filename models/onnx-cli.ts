// `uiface export`: a file of weights becomes an .onnx file.

import { Command, Option } from "commander";
import type { Port } from "../engine/io/onnx.js";
import { openTensors } from "../engine/io/open.js";
import { type ExportReport, exportable, exportOnnx } from "./onnx.js";

interface Options {
  net?: string;
  f16?: boolean;
  codes?: boolean;
  json?: boolean;
}

export function exportCommand(): Command {
  return new Command("export")
    .description("Write a recogniser, or an autoencoder's decoder, as an ONNX file for other runtimes.")
    .addHelpText(
      "before",
      "Examples:\n  uiface export weights/recogniser.safetensors recogniser.onnx\n  uiface export backbone.safetensors r100.onnx --f16\n",
    )
    .argument("<in>", "a file of weights")
    .argument("<out.onnx>", "the file to write")
    .addOption(new Option("--net <name>", "the net, where the file's tensors do not tell").choices([...exportable]))
    .option("--f16", "store weights with 16 bits a number; arithmetic stays float32")
    .option("--codes", "of an autoencoder: take codes, not latents that are still to be quantised")
    .option("--json", "print one JSON object")
    .action(exportFile);
}

async function exportFile(from: string, to: string, { net, f16, codes, json }: Options): Promise<void> {
  const file = await openTensors(from);
  const float = f16 ? "f16" : "f32";
  const report = await exportOnnx(file, to, { float, ...(net && { net }), ...(codes && { codes }) });
  console.error(described(report).join("\n"));
  console.log(json ? JSON.stringify(report, null, 2) : to);
}

function described({ net, bytes, opset, nodes, weights, inputs, outputs, metadata }: ExportReport): string[] {
  const port = ({ name, dtype, shape }: Port) => `${name}  ${dtype} (${shape.join(", ")})`;
  const { net: _, ...about } = metadata;
  return [
    ["net", `${net}, ${weights.toLocaleString("en")} numbers`],
    ["file", `${bytes.toLocaleString("en")} bytes, ONNX operator set ${opset}, ${nodes} nodes`],
    ...inputs.map((p) => ["input", port(p)]),
    ...outputs.map((p) => ["output", port(p)]),
    ...Object.entries(about),
  ].map(([key, value]) => `${key!.padEnd(16)} ${value}`);
}
