// The demo's report: one HTML file that opens offline, with the pictures inside it.
//
// From top to bottom: the generated people, how one image came about, both trainings, the verdict on the images, the times. Every
// number comes from the result of demo.ts, every sentence that depends on one is written here.

import { bars, curve, type Point } from "../evaluate/figures.js";

/** Everything the demo measured; written as report.json beside the page. */
export interface DemoResult {
  date: string;
  adapter: string;
  kind: string;
  seed: number;
  smoke: boolean;
  stages: { name: string; seconds: number; note: string }[];
  diffusion: { step: number; loss: number }[];
  recogniser: { step: number; loss: number }[];
  identities: number;
  perIdentity: number;
  threshold: number;
  /** d_t of every image at the steps it was measured, and the step from which each image had its identity. */
  distances: { t: number; image: number; d: number }[];
  conditionedFrom: number[];
  stepTh: number;
  /** Accuracies of 10-fold verification on drawn people whom no net has seen. */
  accuracy: {
    chance: number;
    untrained: number;
    generated: number;
    generatedStd: number;
    drawn: number;
    drawnStd: number;
    pairs: number;
  };
  /** Mean cosine of an image to its own context, and to another identity's. */
  cosine: { own: number; other: number };
}

export interface Pictures {
  /** PNG files. */
  faces: Uint8Array;
  contexts: Uint8Array;
  drawn: Uint8Array;
  steps: Uint8Array;
}

const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;

/** The page as text. */
export async function reportHtml(r: DemoResult, pictures: Pictures): Promise<string> {
  const losses = (rows: { step: number; loss: number }[], title: string) =>
    curve(
      rows.map(({ step, loss }) => ({ x: step, y: loss })),
      { title, x: "step", y: "loss" },
    );
  const accuracies = bars(
    [
      { name: "chance", value: 50 },
      { name: "the same net, untrained", value: 100 * r.accuracy.untrained },
      { name: "trained on generated faces", value: 100 * r.accuracy.generated },
      { name: "trained on drawn faces", value: 100 * r.accuracy.drawn },
    ],
    { title: `Verification accuracy on ${r.accuracy.pairs} pairs of unseen people`, value: "%" },
  );
  const minutes = r.stages.reduce((sum, s) => sum + s.seconds, 0) / 60;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>uiface demo</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
  figure { margin: .6rem 0; } figcaption, .note { color: #555; font-size: .9rem; max-width: 46rem; }
  img { max-width: 100%; image-rendering: pixelated; } .row { display: flex; flex-wrap: wrap; gap: 2rem; }
  table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid #e3e3e3; }
  td.n { text-align: right; font-variant-numeric: tabular-nums; }
</style>
<h1>Faces that nobody has</h1>
<p>${r.identities} people with ${r.perIdentity} images each, made in ${minutes.toFixed(1)} minutes on ${escapeHtml(r.adapter)} (${r.kind}), ${r.date.slice(0, 10)},
seed ${r.seed}${r.smoke ? "; a smoke run: everything is smaller than in the real demo and the numbers mean little" : ""}. No person, photograph or machine-learning framework was used.</p>

<h2>Generated people</h2>
${picture(pictures.faces, "Each row is one new identity; each column another draw of the noise. Two-stage sampling with guidance 1.")}
<div class="row">
${picture(pictures.contexts, "Where the identities come from: images sampled without a context, one a person, kept when they differ enough from each other.")}
${picture(pictures.drawn, "For comparison: drawn people, the only images the nets have been trained on.")}
</div>

<h2>How two-stage sampling goes</h2>
${picture(pictures.steps, "One image from noise to face. Above: what the net believes the clean image is. Below: where its cross-attention looks (h_t).")}
<figure>${await curve(distancePoints(r), {
    title: "How much the attention map still moves",
    x: "t (sampling goes from left to right)",
    y: "d_t",
    reverseX: true,
    rules: [{ y: r.threshold, label: `threshold ${r.threshold}` }],
  })}<figcaption>Mean, and the tenth and ninetieth percentile over all images. An image whose d_t falls below the threshold gets its identity from the next step on;
below t = ${r.stepTh} every image does. ${switchSentence(r)}</figcaption></figure>

<h2>Training</h2>
<div class="row"><figure>${await losses(r.diffusion, "Diffusion model, on top of the shipped weights")}</figure>
<figure>${await losses(r.recogniser, "Recogniser, on the generated faces alone")}</figure></div>

<h2>Are the generated people worth learning from?</h2>
<figure>${await accuracies}<figcaption>A small recogniser learned only from the ${r.identities * r.perIdentity} generated images; then it had to say whether two drawn pictures of people that
no net has seen show one person. Accuracy ${percent(r.accuracy.generated)} &plusmn; ${percent(r.accuracy.generatedStd)} over ten folds; the same net trained on the drawn set reaches ${percent(r.accuracy.drawn)}.
Cosine of a generated image to its own context ${r.cosine.own.toFixed(2)}, to another's ${r.cosine.other.toFixed(2)}.</figcaption></figure>

<h2>Where the time went</h2>
<table><tr><th>stage</th><th>seconds</th><th></th></tr>
${r.stages.map((s) => `<tr><td>${escapeHtml(s.name)}</td><td class="n">${s.seconds.toFixed(1)}</td><td class="note">${escapeHtml(s.note)}</td></tr>`).join("\n")}
</table>
</html>
`;
}

/** An image with its caption, which is also what a screen reader says. */
function picture(png: Uint8Array, caption: string): string {
  return `<figure><img alt="${escapeHtml(caption)}" src="data:image/png;base64,${Buffer.from(png).toString("base64")}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** Mean and percentiles of d_t at each step, as three lines. */
function distancePoints({ distances }: DemoResult): Point[] {
  const byStep = new Map<number, number[]>();
  for (const { t, d } of distances) if (Number.isFinite(d)) byStep.set(t, [...(byStep.get(t) ?? []), d]);
  return [...byStep].flatMap(([t, values]) => {
    values.sort((a, b) => a - b);
    const at = (q: number) => values[Math.round(q * (values.length - 1))]!;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return [
      { x: t, y: mean, series: "mean" },
      { x: t, y: at(0.1), series: "10 %" },
      { x: t, y: at(0.9), series: "90 %" },
    ];
  });
}

/** Which images had their identity before the step at which all get it. */
function switchSentence({ conditionedFrom, stepTh }: DemoResult): string {
  const early = conditionedFrom.filter((t) => t >= stepTh);
  if (!early.length) return `None of the ${conditionedFrom.length} images switched early.`;
  const sorted = [...early].sort((a, b) => b - a);
  return `${early.length} of ${conditionedFrom.length} images switched early, between t = ${sorted[0]} and t = ${sorted.at(-1)}, half of them by t = ${sorted[Math.floor(sorted.length / 2)]}.`;
}

/** Text for between tags and for attributes. */
const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
