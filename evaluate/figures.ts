// Figures as SVG text: vega-lite draws, this file only says what.

import type { TopLevelSpec } from "vega-lite";

export interface Point {
  x: number;
  y: number;
  series?: string;
}

export interface CurveOptions {
  title: string;
  x: string;
  y: string;
  /** Horizontal lines with a name: a threshold, chance. */
  rules?: { y: number; label: string }[];
  reverseX?: boolean;
}

const font = "system-ui, sans-serif";
const WIDTH = 420;

/** Lines over a shared x, one for each series. */
export function curve(points: readonly Point[], options: CurveOptions): Promise<string> {
  const { title, x, y, rules = [], reverseX = false } = options;
  const many = new Set(points.map((p) => p.series)).size > 1;
  const layers: object[] = [
    {
      data: { values: points },
      mark: { type: "line", interpolate: "linear", strokeWidth: 1.6 },
      encoding: {
        x: {
          field: "x",
          type: "quantitative",
          title: x,
          scale: { reverse: reverseX, nice: false },
          axis: { grid: false },
        },
        y: { field: "y", type: "quantitative", title: y, scale: { zero: false } },
        ...(many ? { color: { field: "series", type: "nominal", title: null } } : {}),
      },
    },
  ];
  if (rules.length) {
    layers.push({
      data: { values: rules },
      mark: { type: "rule", strokeDash: [4, 4], color: "#888" },
      encoding: { y: { field: "y", type: "quantitative" } },
    });
    layers.push({
      data: { values: rules },
      mark: { type: "text", align: "left", x: 4, dy: -5, color: "#666" },
      encoding: { y: { field: "y", type: "quantitative" }, text: { field: "label" } },
    });
  }
  return draw({ title, width: WIDTH, height: 220, layer: layers });
}

/** Bars from 0 to 100, in the order given. */
export function bars(
  rows: readonly { name: string; value: number }[],
  options: { title: string; value: string },
): Promise<string> {
  return draw({
    title: options.title,
    width: WIDTH,
    height: { step: 22 },
    data: { values: rows },
    mark: { type: "bar", cornerRadiusEnd: 2 },
    encoding: {
      y: { field: "name", type: "nominal", sort: null, title: null, axis: { labelLimit: 260 } },
      x: { field: "value", type: "quantitative", title: options.value, scale: { domain: [0, 100] } },
    },
  });
}

async function draw(spec: object): Promise<string> {
  const [{ parse, View }, { compile }] = await Promise.all([import("vega"), import("vega-lite")]); // a quarter of a second
  const full = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    background: "transparent",
    config: {
      font,
      view: { stroke: null },
      axis: { domainColor: "#aaa", tickColor: "#aaa", labelColor: "#444", titleColor: "#444", gridColor: "#e6e6e6" },
      title: { anchor: "start", fontSize: 13, fontWeight: 600 },
    },
    ...spec,
  } as TopLevelSpec;
  return new View(parse(compile(full).spec), { renderer: "none" }).toSVG();
}
