// ONNX files (onnx.ai): a graph of named operators over named values, with the weights inside, for runtimes without this package.
//
//   const g = new OnnxGraph("net");
//   const x = g.input("x", ["batch", 3, 8, 8]);
//   g.output("y", g.node("Conv", [x, g.weight("conv.weight", [4, 3, 3, 3])]), ["batch", 4, 6, 6]);
//   await writeOnnx("net.onnx", g, (name) => file.read(name));
//
// A graph holds names and shapes. Weights are asked for one at a time while the file is written, so that none is held longer
// than its own bytes take to write: the messages around them are framed by hand from lengths that are known beforehand.
//
// Operator set 17 with IR version 8 (ONNX 1.12, June 2022): the oldest whose operators say all we need, so the most runtimes
// read it. Files are one protobuf message, which ends at 2 GB.

import { FileError, ShapeError, UifaceError } from "../errors.js";
import { writeAtomic } from "./atomic.js";
import { encode } from "./encode.js";
import { bytesOf, dtypeBytes, elementCount, type HostTensor } from "./host.js";
import {
  type Attribute,
  attributeProto,
  DataType,
  type Dim,
  type OnnxMessages,
  onnxMessages,
  valueProto,
} from "./onnx-proto.js";

export const OPSET = 17;
const IR_VERSION = 8;
const LONGEST = 2 ** 31 - 1;

/** A place where the outer world puts a tensor in or takes one out. */
export interface Port {
  name: string;
  dtype: "f32" | "i64";
  shape: readonly Dim[];
}

interface Node {
  name: string;
  op: string;
  inputs: string[];
  output: string;
  attributes: Record<string, Attribute>;
}

/** A tensor in the file. Without `values` it is a weight, read when the file is written. */
interface Initialiser {
  name: string;
  dtype: keyof typeof DataType;
  shape: readonly number[];
  values?: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;
}

export interface GraphOptions {
  /** How weights of two and more dimensions are stored; f16 ones are cast to f32 before use. Vectors are always f32. */
  float?: "f32" | "f16";
}

/** A graph in the making. Values are known by their names; every node has one output. */
export class OnnxGraph {
  readonly inputs: Port[] = [];
  readonly outputs: Port[] = [];
  readonly nodes: Node[] = [];
  readonly initialisers = new Map<string, Initialiser>();
  readonly float: "f32" | "f16";
  readonly #taken = new Set<string>();

  constructor(
    readonly name: string,
    { float = "f32" }: GraphOptions = {},
  ) {
    this.float = float;
  }

  /** A tensor that the caller gives. Sizes with a name are the caller's choice. */
  input(name: string, shape: readonly Dim[], dtype: Port["dtype"] = "f32"): string {
    this.inputs.push({ name: this.#claim(name), dtype, shape });
    return name;
  }

  /** Gives the node's output `value` the name and shape under which the caller gets it. */
  output(name: string, value: string, shape: readonly Dim[], dtype: Port["dtype"] = "f32"): void {
    if (name !== value) this.#claim(name);
    this.outputs.push({ name, dtype, shape });
    for (const node of this.nodes) {
      if (node.output === value) node.output = name;
      node.inputs = node.inputs.map((input) => (input === value ? name : input));
    }
  }

  /** Adds an operator and returns its output, which is called as the node is. Two of the same name get numbers. */
  node(op: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, name = op): string {
    const numbered = name === op || this.#taken.has(name) ? `${name}_${this.nodes.length}` : name;
    const output = this.#claim(numbered);
    this.nodes.push({ name: output, op, inputs: [...inputs], output, attributes });
    return output;
  }

  /** A tensor of the weights, under the name that `writeOnnx` will ask for. `shape` may differ from theirs in ones. */
  weight(name: string, shape: readonly number[]): string {
    const dtype = shape.filter((n) => n > 1).length > 1 ? this.float : "f32";
    const known = this.initialisers.has(name);
    if (!known) this.initialisers.set(this.#claim(name), { name, dtype, shape });
    if (dtype === "f32") return name;
    const cast = `${name}:f32`;
    if (!known) this.node("Cast", [name], { to: { i: DataType.f32 } }, cast);
    return cast;
  }

  /** Numbers that belong to the graph; the same ones are stored once. */
  constant(dtype: "f32" | "i64", values: readonly number[], shape: readonly number[] = [values.length]): string {
    const list = values.length > 8 && values.every((v) => v === values[0]) ? `${values[0]}, ...` : values.join(", ");
    const name = `${dtype} (${shape.join(", ")}) ${list}`;
    if (this.initialisers.has(name)) return name;
    const data = dtype === "f32" ? Float32Array.from(values) : BigInt64Array.from(values, BigInt);
    this.initialisers.set(this.#claim(name), { name, dtype, shape, values: data });
    return name;
  }

  #claim(name: string): string {
    if (this.#taken.has(name)) throw new UifaceError(`The ONNX graph ${this.name} has two values called ${name}.`);
    this.#taken.add(name);
    return name;
  }
}

export interface OnnxOptions {
  /** Pairs that readers show beside the graph. */
  metadata?: Record<string, string>;
  /** Of the program that writes. */
  version?: string;
}

/**
 * Writes a graph and its weights, whole or not at all.
 *
 * @param read   a weight by its name, floats in PyTorch's order; each is asked for once
 * @returns      the bytes written
 */
export async function writeOnnx(
  path: string,
  graph: OnnxGraph,
  read: (name: string) => HostTensor,
  options: OnnxOptions = {},
): Promise<number> {
  const messages = await onnxMessages();
  const head = modelHead(messages, options);
  const bare = graphHead(messages, graph);
  const tensors = [...graph.initialisers.values()].map((of) => frameTensor(messages, path, of, read));
  const length = bare.length + tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const frame = messages.fieldHead(messages.ModelProto, "graph", length);
  const total = head.length + frame.length + length;
  if (total > LONGEST) {
    throw new FileError(
      `${path} would take ${total} bytes, and a protobuf message ends at ${LONGEST}.\nStore the weights as f16.`,
    );
  }
  writeAtomic(path, pieces());
  return total;

  function* pieces(): Generator<Uint8Array> {
    yield head;
    yield frame;
    yield bare;
    for (const tensor of tensors) {
      yield tensor.head;
      yield tensor.data();
    }
  }
}

/** All of ModelProto but its graph. Protobuf takes the fields in any order. */
function modelHead({ ModelProto }: OnnxMessages, { metadata = {}, version = "" }: OnnxOptions): Uint8Array {
  const model = {
    ir_version: IR_VERSION,
    opset_import: [{ domain: "", version: OPSET }],
    producer_name: "uiface",
    producer_version: version,
    metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  };
  return ModelProto.encode(ModelProto.fromObject(model)).finish();
}

/** All of GraphProto but its tensors. */
function graphHead({ GraphProto }: OnnxMessages, { name, nodes, inputs, outputs }: OnnxGraph): Uint8Array {
  const port = (p: Port) => valueProto(p.name, p.dtype, p.shape);
  const graph = {
    name,
    node: nodes.map((node) => ({
      input: node.inputs,
      output: [node.output],
      name: node.name,
      op_type: node.op,
      attribute: Object.entries(node.attributes).map(([key, value]) => attributeProto(key, value)),
    })),
    input: inputs.map(port),
    output: outputs.map(port),
  };
  return GraphProto.encode(GraphProto.fromObject(graph)).finish();
}

/** A tensor's part of the graph: all before its numbers, how long it is with them, and a way to them. */
function frameTensor(
  { GraphProto, TensorProto, fieldHead }: OnnxMessages,
  path: string,
  { name, dtype, shape, values }: Initialiser,
  read: (name: string) => HostTensor,
): { head: Uint8Array; bytes: number; data: () => Uint8Array } {
  const size = dtypeBytes[dtype] * elementCount(shape)!;
  const fields = { dims: shape, data_type: DataType[dtype], name };
  const inner = [
    TensorProto.encode(TensorProto.fromObject(fields)).finish(),
    fieldHead(TensorProto, "raw_data", size),
  ] as const;
  const length = inner[0].length + inner[1].length + size;
  const head = Buffer.concat([fieldHead(GraphProto, "initializer", length), ...inner]);
  const data = () => {
    const bytes = values ? bytesOf(values) : encode(path, name, read(name), dtype);
    if (bytes.length === size) return bytes;
    throw new ShapeError(`${path}: tensor ${name} takes ${size} bytes as (${shape.join(", ")}), ${bytes.length} came.`);
  };
  return { head, bytes: head.length + size, data };
}
