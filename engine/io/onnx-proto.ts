// The messages of an ONNX file that this package writes, as protobuf text that protobufjs reads at run time, with the types of
// what is put into them. Names and numbers are those of the official onnx.proto (github.com/onnx/onnx, "Copyright (c) ONNX
// Project Contributors", Apache-2.0); its fields that nothing here writes are left out, which protobuf allows.
// test/models/onnx.test.ts compares every number with the Python package `onnx` where that is installed.

import type protobuf from "protobufjs";

const onnxProto = `
syntax = "proto3";
package onnx;

message ModelProto {
  int64 ir_version = 1;
  repeated OperatorSetIdProto opset_import = 8;
  string producer_name = 2;
  string producer_version = 3;
  string doc_string = 6;
  GraphProto graph = 7;
  repeated StringStringEntryProto metadata_props = 14;
}
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
message StringStringEntryProto { string key = 1; string value = 2; }

message GraphProto {
  repeated NodeProto node = 1;
  string name = 2;
  repeated TensorProto initializer = 5;
  repeated ValueInfoProto input = 11;
  repeated ValueInfoProto output = 12;
}
message NodeProto {
  repeated string input = 1;
  repeated string output = 2;
  string name = 3;
  string op_type = 4;
  repeated AttributeProto attribute = 5;
}
message AttributeProto {
  enum AttributeType { UNDEFINED = 0; FLOAT = 1; INT = 2; STRING = 3; INTS = 7; }
  string name = 1;
  AttributeType type = 20;
  optional float f = 2;
  optional int64 i = 3;
  optional bytes s = 4;
  repeated int64 ints = 8;
}

message ValueInfoProto { string name = 1; TypeProto type = 2; }
message TypeProto {
  message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; }
  Tensor tensor_type = 1;
}
message TensorShapeProto {
  message Dimension { oneof value { int64 dim_value = 1; string dim_param = 2; } }
  repeated Dimension dim = 1;
}
message TensorProto {
  enum DataType { UNDEFINED = 0; FLOAT = 1; INT64 = 7; FLOAT16 = 10; }
  repeated int64 dims = 1;
  int32 data_type = 2;
  string name = 8;
  bytes raw_data = 9;
}
`;

/** What protobufjs makes of them. */
export interface OnnxMessages {
  ModelProto: protobuf.Type;
  GraphProto: protobuf.Type;
  TensorProto: protobuf.Type;
  /** Tag and length before the bytes of a field that holds bytes or a message, so that these can be written apart. */
  fieldHead(message: protobuf.Type, field: string, length: number): Uint8Array;
}

/** Loads protobufjs and the messages; a tenth of a second that only `export` should pay. */
export async function onnxMessages(): Promise<OnnxMessages> {
  const { default: protobuf } = await import("protobufjs");
  const { root } = protobuf.parse(onnxProto, { keepCase: true });
  return {
    ModelProto: root.lookupType("onnx.ModelProto"),
    GraphProto: root.lookupType("onnx.GraphProto"),
    TensorProto: root.lookupType("onnx.TensorProto"),
    fieldHead(message, field, length) {
      const { id } = message.fields[field]!;
      return protobuf.Writer.create()
        .uint32((id << 3) | 2)
        .uint32(length)
        .finish();
    },
  };
}

/** TensorProto.DataType of the types in use. */
export const DataType = { f32: 1, i64: 7, f16: 10 } as const;

/** An attribute by the field that holds it, which also says its type: a float, an int, a string, or ints. */
export type Attribute = { f: number } | { i: number } | { s: string } | { ints: readonly number[] };

const attributeTypes = { f: 1, i: 2, s: 3, ints: 7 } as const;

/** What AttributeProto takes. */
export function attributeProto(name: string, attribute: Attribute): object {
  const [field] = Object.keys(attribute) as [keyof typeof attributeTypes];
  const value = "s" in attribute ? { s: new TextEncoder().encode(attribute.s) } : attribute;
  return { name, type: attributeTypes[field], ...value };
}

/** A fixed size, or the name of one that the caller chooses. */
export type Dim = number | string;

/** What ValueInfoProto takes. */
export const valueProto = (name: string, dtype: keyof typeof DataType, shape: readonly Dim[]): object => ({
  name,
  type: {
    tensor_type: {
      elem_type: DataType[dtype],
      shape: { dim: shape.map((n) => (typeof n === "number" ? { dim_value: n } : { dim_param: n })) },
    },
  },
});
