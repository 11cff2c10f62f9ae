// Every reason for which a checkpoint, an array or a pickle is refused, in one place. A message has three parts:
//
//   model.pt:archive/data.pkl is refused: it calls os.system, which is not on the list, at byte 214 (REDUCE).
//   Nothing was loaded and nothing was run. Save the weights alone, ...
//
// What is wrong (a line of this file), where (the file, the member, the byte, the opcode or the tensor), the way out.

import { FileError } from "../errors.js";
import { show } from "./tensor-file.js";

/** Throws, given the reason. */
export type Refuse = (why: string) => never;

/** The way out, by kind of file. */
export const wayOut = {
  pickle: "Nothing was loaded and nothing was run. Save plain tensors, lists, dicts, numbers and texts alone.",
  torch: "Nothing was loaded and nothing was run. Save the state dict alone: torch.save(model.state_dict(), path).",
  zip: "Nothing was loaded. It was cut, damaged or made to mislead; get it again or write it anew from its source.",
  npz: "Nothing was loaded; save it again with numpy.savez, from arrays of numbers or texts.",
  foreign: "Files of tensors are safetensors, torch checkpoints (zip and legacy), .npy, .npz and pickles of arrays.",
} as const;

/** A function that refuses `name`, and shows the way out. */
export function refusal(name: string, way: keyof typeof wayOut): Refuse {
  return (why) => {
    throw new FileError(`${name} is refused: ${why}.\n${wayOut[way]}`);
  };
}

/** Reasons of the pickle machine. `where` is added by it: "at byte 214 (REDUCE)". */
export const pickleReasons = {
  ends: (need: number, left: number) => `${need} bytes are needed, but ${left} follow`,
  noNewline: "a line does not end",
  noStop: "it ends before its STOP",
  opcode: "there is no such opcode",
  forbidden: "this opcode makes objects of any class, or needs data from outside the file",
  protocol: (n: number) => `it is written in pickle protocol ${n}; known are 0 to 5`,
  frame: (need: bigint, left: number) => `a frame of ${need} bytes begins, but ${left} follow`,
  negative: (n: number) => `a length is ${n}`,
  emptyStack: "it takes a value from an empty stack",
  noMark: "there is no mark to go back to",
  tooManyMarks: (limit: number) => `it opens more than ${limit} containers inside each other`,
  leftOver: (n: number) => `it ends with ${n} values too many`,
  memory: (limit: number) => `its objects would take more than ${limit} bytes, out of all proportion to the file`,
  memo: (index: string) => `memo entry ${index} was never stored`,
  number: (text: string) => `${show(text)} is no number`,
  digits: (n: number, limit: number) => `an integer takes ${n} bytes, more than ${limit}`,
  quotes: "a text has no quotes around it",
  escape: "a text has a broken escape",
  utf8: "a text is not UTF-8",
  global: (text: string) => `${show(text)} is no module and name`,
  call: (name: string) => `it calls ${show(name)}, which is not on the list`,
  callable: (what: string) => `it calls ${what}, which is no function`,
  args: (name: string) => `${name} is called with other arguments than its writers give`,
  build: (what: string) => `it sets the state of ${what}`,
  into: (verb: string, what: string) => `it ${verb} ${what}`,
  odd: "a dict is filled with an odd number of values",
  key: (what: string) => `${what} is used as a key`,
  persistent: "it refers to data outside the pickle",
} as const;

/** Reasons of NumPy arrays inside pickles. */
export const arrayReasons = {
  dtype: (code: string) => `an array has dtype ${show(code)}`,
  dtypeState: "a dtype is structured, or its state is not one NumPy writes",
  shape: "an array's shape is no tuple of sizes",
  order: "an array's order is neither C nor F",
  bytes: (shape: readonly number[], code: string, need: number, got: number) =>
    `an array of shape (${shape.join(", ")}), ${code}, needs ${need} bytes, but has ${got}`,
  objects: "an array holds Python objects",
  unbuilt: "an array was begun, but never filled",
} as const;

/** Reasons of nested containers, once a pickle has been read. */
export const nestReasons = {
  depth: (limit: number) => `containers are nested more than ${limit} deep`,
  length: (n: number, limit: number) => `a name of ${n} letters is longer than ${limit}`,
  twice: (name: string) => `two tensors are called ${show(name)}`,
} as const;

/** Reasons of torch checkpoints. */
export const torchReasons = {
  script: "it is a TorchScript archive, a program, and no checkpoint",
  noPickle: "it has no <prefix>/data.pkl",
  twoPickles: "it has more than one data.pkl",
  byteOrder: (text: string) => `its byte order is ${show(text)}, and little-endian is needed`,
  persistent: "a reference to data is no storage",
  module: "it holds a whole module with its source, and not its weights",
  storageType: (name: string) => `storage type ${show(name)} is unknown`,
  key: (key: string) => `storage key ${show(key)} is no number`,
  count: (key: string, n: string) => `storage ${key} has ${n} elements`,
  missing: (key: string) => `storage ${key} is not in the file`,
  short: (key: string, need: number, got: number) => `storage ${key} needs ${need} bytes, but has ${got}`,
  view: (key: string, offset: number, length: number, n: number) =>
    `a view of storage ${key} takes ${length} elements from ${offset}, but it has ${n}`,
  sizes: (key: string) => `a tensor on storage ${key} has sizes or strides that are no tuple of integers from 0`,
  dims: (sizes: number, strides: number) => `a tensor has ${sizes} sizes, but ${strides} strides`,
  reach: (key: string, last: number, n: number) =>
    `a tensor reaches element ${last} of storage ${key}, which has ${n}, counted from 0`,
  huge: (shape: readonly number[], limit: number) =>
    `a tensor of shape [${shape.slice(0, 8).join(", ")}] repeats its storage to more than ${limit} bytes`,
  legacyProtocol: (what: string) => `its legacy header says ${what}`,
  legacyCount: (key: string, got: string, want: number) =>
    `storage ${key} has ${got} elements in the stream, but ${want} in its description`,
  legacyKeys: "its list of storages is no list of keys",
  legacyUnused: (key: string) => `storage ${key} is in the stream, but nothing says what it holds`,
} as const;

/** Reasons of zip archives. */
export const zipReasons = {
  damaged: (why: string) => `its zip directory is damaged (${why})`,
  twice: (name: string) => `it has two members called ${show(name)}`,
  encrypted: (name: string) => `member ${show(name)} is encrypted`,
  method: (name: string, method: number) => `member ${show(name)} uses compression method ${method}; known are 0 and 8`,
  storedSize: (name: string, size: number, packed: number) =>
    `member ${show(name)} is stored, but has ${size} bytes in one place and ${packed} in another`,
  local: (name: string, at: number) => `member ${show(name)} has no header of its own at byte ${at}`,
  past: (name: string, end: number, size: number) =>
    `member ${show(name)} ends at byte ${end}, but the file has ${size}`,
  overlap: (name: string, other: string) => `members ${show(name)} and ${show(other)} overlap`,
  bomb: (name: string, size: number, packed: number) =>
    `member ${show(name)} would grow from ${packed} to ${size} bytes, more than is allowed`,
  inflate: (name: string, size: number) => `member ${show(name)} does not unpack to the ${size} bytes it announces`,
  crc: (name: string) => `member ${show(name)} has another checksum than its directory says`,
  noArray: (name: string) => `member ${show(name)} is no .npy file`,
} as const;

/** Reasons of verification sets and lists of names. */
export const listReasons = {
  noPair: (what: string) => `it holds ${what}, and not a pair of images and truths`,
  noImages: (what: string) => `its images are ${what}, and not a list`,
  image: (i: number, what: string) => `image ${i} is ${what}, and not an encoded image`,
  truths: (what: string) => `its truths are ${what}, and not a list`,
  truth: (i: number, what: string) => `truth ${i} is ${what}, and neither true nor false`,
  few: (images: number, pairs: number) => `it has ${images} images for ${pairs} pairs, which need ${2 * pairs}`,
  none: "it has no pairs",
  noNames: (what: string) => `it holds ${what}, and not a list of names`,
  noDict: (what: string) => `it holds ${what}, and not a dict of arrays`,
  name: (i: number, what: string) => `name ${i} is ${what}, and not a text`,
} as const;

/** Files that are something else, told by their first bytes (open.ts). */
export const foreignReasons = {
  recordio: "it is an MXNet RecordIO file, a set of images; name it as a set (.rec)",
  parquet: "it is a parquet file, a set of images; name it as a set",
  tar: "it is a tar archive: a set of images, or a torch checkpoint from before 2017, whose form is not read",
  tfrecord: "it is a TFRecord or TensorBoard file, and holds no tensors",
  zip: (first: string) =>
    `it is a zip archive, but neither a torch checkpoint nor npz; its first member is ${show(first)}`,
  emptyZip: "it is a zip archive without members",
  gzip: "it is compressed with gzip; unpack it first",
  image: "it is an image, and holds no tensors",
  hdf5: "it is an HDF5 file, as Keras writes; convert it to safetensors",
  gguf: "it is a GGUF file; convert it to safetensors",
  html: "it is a web page: the download gave a page instead of the file. Get it again, in a browser if need be",
  lfs: "it is a Git LFS pointer, not the file itself; run git lfs pull",
  empty: "it is empty",
  unknown: (bytes: string) => `it begins with ${bytes}, which no known file does`,
} as const;
