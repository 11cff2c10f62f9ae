// A table of results and its forms: text for a terminal, Markdown, HTML. The rows are what programs read in the JSON files.

export type Cell = string | number | boolean | readonly number[] | null | undefined;
/** Keys without a column are for programs, such as the samples behind a time. */
export type Cells = Readonly<Record<string, Cell>>;

/** How a key of the rows is shown. */
export interface Column {
  key: string;
  title: string;
  /** Decimals of a number; without it three significant digits. */
  digits?: number;
  /** A share, shown as per cent. */
  percent?: boolean;
}

export interface Table {
  title: string;
  /** What the numbers mean. */
  note?: string;
  columns: readonly Column[];
  rows: readonly Cells[];
  /** The column that a page also draws as bars. */
  bars?: string;
}

/** What every file of results begins with. */
export interface Head {
  /** Description, kind and kernel family. */
  adapter: string;
  date: string;
  command: string;
}

/** A cell as people read it. */
export function shown(cell: Cell, { digits, percent }: Omit<Column, "key" | "title"> = {}): string {
  if (cell === undefined || cell === null) return "";
  if (typeof cell !== "number") return Array.isArray(cell) ? cell.join(", ") : String(cell);
  if (!Number.isFinite(cell)) return String(cell);
  if (percent) return `${(100 * cell).toFixed(digits ?? 0)} %`;
  if (digits !== undefined) return cell.toFixed(digits);
  if (Number.isInteger(cell)) return cell.toLocaleString("en");
  return Math.abs(cell) >= 1000 ? Math.round(cell).toLocaleString("en") : String(Number(cell.toPrecision(3)));
}

/** A column of numbers stands on the right. */
const isNumeric = ({ rows }: Table, { key }: Column): boolean =>
  rows.some((row) => typeof row[key] === "number") && rows.every((row) => typeof row[key] !== "string");

/** Without the columns that no row fills. */
const filledColumns = (table: Table): Table => ({
  ...table,
  columns: table.columns.filter((c) => table.rows.some((row) => shown(row[c.key], c) !== "")),
});

/** Heads, then rows, as text. */
const grid = (table: Table): string[][] => [
  table.columns.map((c) => c.title),
  ...table.rows.map((row) => table.columns.map((c) => shown(row[c.key], c))),
];

/** Columns padded with spaces. */
export function text(whole: Table): string {
  const table = filledColumns(whole);
  const lines = grid(table);
  const widths = table.columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const right = table.columns.map((c) => isNumeric(table, c));
  const pad = (cell: string, i: number) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!));
  return lines.map((line) => line.map(pad).join("  ").trimEnd()).join("\n");
}

/** With its title and note; a bar inside a cell is escaped. */
export function markdown(whole: Table): string {
  const table = filledColumns(whole);
  const line = (cells: readonly string[]) => `| ${cells.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`;
  const [heads, ...rows] = grid(table);
  const rule = `|${table.columns.map((c) => (isNumeric(table, c) ? "---:" : "---")).join("|")}|`;
  const note = table.note ? `${table.note}\n\n` : "";
  return `## ${table.title}\n\n${note}${[line(heads!), rule, ...rows.map(line)].join("\n")}\n`;
}

/** A document of several tables under the line that says where they come from. */
export const markdownOf = (title: string, { adapter, date, command }: Head, tables: readonly Table[]): string =>
  `# ${title}\n\n${adapter}, ${date}: \`${command}\`\n\n${tables.map(markdown).join("\n")}`;

/** With its title and note; wide tables scroll. */
export function html(whole: Table): string {
  const table = filledColumns(whole);
  const right = table.columns.map((c) => (isNumeric(table, c) ? ' class="n"' : ""));
  const row = (tag: "td" | "th") => (cells: readonly string[]) =>
    `<tr>${cells.map((cell, i) => `<${tag}${right[i]}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  const [heads, ...rows] = grid(table);
  const note = table.note ? `<p class="note">${escapeHtml(table.note)}</p>\n` : "";
  return `<h3>${escapeHtml(table.title)}</h3>
${note}<div class="wide"><table>
${row("th")(heads!)}
${rows.map(row("td")).join("\n")}
</table></div>`;
}

/** Names of adapters and messages come from outside. */
export const escapeHtml = (raw: string): string =>
  raw.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
