// Results as one HTML file that opens offline: tables, and bars as SVG inside it.

import { escapeHtml, type Head, html, shown, type Table } from "./table.js";

/** For screens and for printing; no font or file from elsewhere. */
const style = `
  body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .3rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
  .note { color: #555; font-size: .9rem; max-width: 50rem; margin: .2rem 0 .5rem; }
  .bad { border-left: 4px solid #c0392b; background: #fdf1ef; padding: .4rem .8rem; white-space: pre-wrap; }
  .warn { border-left: 4px solid #d68910; background: #fdf6e3; padding: .4rem .8rem; }
  .wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
  td, th { padding: .15rem .9rem .15rem 0; text-align: left; border-bottom: 1px solid #e3e3e3; vertical-align: top; }
  .n { text-align: right; font-variant-numeric: tabular-nums; } code { font-size: .9em; } figure { margin: .6rem 0; }`;

/** A whole document around `body`, which is HTML already. */
export function page(title: string, { adapter, date, command }: Head, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}
</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(adapter)}, ${escapeHtml(date)}: <code>${escapeHtml(command)}</code></p>
${body}
</html>
`;
}

/** A table, and below it the bars of the column it names. */
export function section(table: Table): string {
  const column = table.columns.find((c) => c.key === table.bars);
  const name = table.columns[0]!.key;
  const drawn = table.rows.flatMap((row) => {
    const value = column && row[column.key];
    return typeof value === "number" && value > 0
      ? [{ name: String(row[name]), value, label: shown(value, column) }]
      : [];
  });
  return drawn.length < 2 ? html(table) : `${html(table)}\n<figure>${bars(drawn, column!.title)}</figure>`;
}

/** Pixels: of a character at most, of the longest bar, of a row. */
const CHARACTER = 6.6;
const LONGEST = 420;
const LINE = 20;

/** Horizontal bars from 0, in the order given, each with its number. */
function bars(rows: readonly { name: string; value: number; label: string }[], title: string): string {
  const top = Math.max(...rows.map((r) => r.value));
  const left = 10 + CHARACTER * Math.max(...rows.map((r) => r.name.length));
  const height = LINE * (rows.length + 1);
  const lines = rows.map(({ name, value, label }, i) => {
    const width = ((LONGEST * value) / top).toFixed(1);
    const y = LINE * (i + 1);
    const bar = `<rect x="${left}" y="${y + 3}" width="${width}" height="${LINE - 6}" rx="2" fill="#4c78a8"/>`;
    const text = (x: number, anchor: string, of: string) =>
      `<text x="${x.toFixed(1)}" y="${y + 14}" text-anchor="${anchor}">${escapeHtml(of)}</text>`;
    return bar + text(left - 6, "end", name) + text(left + Number(width) + 6, "start", label);
  });
  const head = `<text x="${left}" y="14" font-weight="600">${escapeHtml(title)}</text>`;
  return `<svg width="${Math.ceil(left) + LONGEST + 80}" height="${height}" font-family="system-ui, sans-serif" font-size="11" fill="#444">${head}
${lines.join("\n")}
</svg>`;
}
