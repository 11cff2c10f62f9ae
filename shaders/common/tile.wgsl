// The workgroup tile of the tiled kernels: TK lines, one for each k, of TN values of p and then TM values of q.
// Needs the module constants TN, TM, TK, RN, RM, BUFFERS of the file that imports it, above the import.
//
//   k      | p rows 0..3 | 4..7 | .. TN | q rows 0..3 | 4..7 | .. TM |        a vec4f is four rows at one k
//   k + 1  | ...
//
// Storing        A thread carries BLOCKS blocks of 4 rows x 4 k's, as a mat4x4f with a column for each k. They are dealt
//                along k first: QUADS neighbours read one stretch of a row. Where memory has k contiguous, the block is
//                read by rows and transposed in registers, so both kinds of operand lie the same way here.
// Multiplying    Thread (n, m) of LANES_N x LANES_M owns RN rows of p and RM of q: vec4f's n, n + LANES_N, .. and m,
//                m + LANES_M, .. of a line, so that neighbours read neighbours and meet no bank twice.
//                One line costs it RN + RM values and gives RN * RM multiply-adds.
// Barriers       With one buffer: before the store (all have read the last tile) and after it. With two, only after.

const LANES_N: u32 = TN / RN;
const LANES_M: u32 = TM / RM;
const THREADS: u32 = LANES_N * LANES_M;
const NV: u32 = RN / 4u;                         // vec4f's of p a thread owns,
const MV: u32 = RM / 4u;                         // and of q
const LINE: u32 = (TN + TM) / 4u;                // vec4f's a line
const QUADS: u32 = TK / 4u;                      // blocks along k; divides THREADS, so a thread's blocks share their k's
const BLOCKS: u32 = (LINE * QUADS + THREADS - 1u) / THREADS;
const TILE: u32 = TK * LINE;                     // vec4f's a buffer

var<workgroup> tile: array<vec4f, BUFFERS * TILE>;

const FOUR = vec4u(0u, 1u, 2u, 3u);

// Which vec4f of a line block i of this thread fills: below TN / 4 one of p, then q's; past LINE there is no block.
fn block_column(lane: u32, i: u32) -> u32 { return lane / QUADS + i * (THREADS / QUADS); }

// The first k of this thread's blocks, from the start of the tile.
fn block_k(lane: u32) -> u32 { return lane % QUADS * 4u; }

fn store_block(buffer: u32, lane: u32, i: u32, four: mat4x4f) {
  let column = block_column(lane, i);
  if (column < LINE) {
    let at = buffer + block_k(lane) * LINE + column;
    tile[at] = four[0];
    tile[at + LINE] = four[1];
    tile[at + 2u * LINE] = four[2];
    tile[at + 3u * LINE] = four[3];
  }
}

// A block of four lines, of which those that are not `ok` count 0; turned where memory has k contiguous.
fn block_of(turned: bool, ok: vec4<bool>, a: vec4f, b: vec4f, c: vec4f, d: vec4f) -> mat4x4f {
  let four = mat4x4f(select(vec4f(), a, ok.x), select(vec4f(), b, ok.y), select(vec4f(), c, ok.z), select(vec4f(), d, ok.w));
  if (turned) { return transpose(four); }
  return four;
}

// Where the four lines of a block of a matrix start, in vec4f's: four rows where k is contiguous, else four k's.
fn block_lines(k_contiguous: bool, base: u32, row: u32, k: u32, rows: u32, ld: u32) -> vec4u {
  if (k_contiguous) { return (base + min(row + FOUR, vec4u(rows - 1u)) * ld + k) / 4u; }
  return (base + (k + FOUR) * ld + min(row, rows - 4u)) / 4u;
}

// Depths first .. end of part `split` of `splits`: whole tiles, so that only the last one may end inside a tile.
fn split_range(depth: u32, split: u32, splits: u32) -> vec2u {
  let each = (depth + TK * splits - 1u) / (TK * splits) * TK;
  return min(vec2u(split, split + 1u) * each, vec2u(depth));
}
