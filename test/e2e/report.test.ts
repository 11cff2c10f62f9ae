// The page that `npm start` leaves, from made-up numbers: what it shows must be what it was given.

import { expect, test } from "vitest";
import { type DemoResult, reportHtml } from "../../demo/report.js";

const [identities, perIdentity] = [12, 8];
const images = identities * perIdentity;
const png = {
  faces: Buffer.from("faces"),
  contexts: Buffer.from("ctx"),
  drawn: Buffer.from("drawn"),
  steps: Buffer.from("s"),
};

const result: DemoResult = {
  date: "2026-11-24T10:00:00.000Z",
  adapter: "card <one> & more",
  kind: "gpu",
  seed: 3,
  smoke: false,
  stages: [
    { name: "sample", seconds: 90, note: "8 images of each" },
    { name: "verify", seconds: 30, note: "a < b" },
  ],
  diffusion: [0, 1, 2].map((step) => ({ step, loss: 1 / (step + 1) })),
  recogniser: [0, 1, 2].map((step) => ({ step, loss: 20 - step })),
  identities,
  perIdentity,
  threshold: 0.006,
  stepTh: 500,
  distances: Array.from({ length: 2 * images }, (_, i) => ({
    t: 920 - 40 * Math.floor(i / images),
    image: i % images,
    d: i ? 0.01 : Number.NaN,
  })),
  conditionedFrom: Array.from({ length: images }, (_, i) => [880, 720, 640, 480][i % 4]!),
  accuracy: {
    chance: 0.5,
    untrained: 0.61,
    generated: 0.734,
    generatedStd: 0.042,
    drawn: 0.911,
    drawnStd: 0.02,
    pairs: 800,
  },
  cosine: { own: 0.39, other: 0.1 },
};

const page = await reportHtml(result, png);
const text = page.replace(/<style>[\s\S]*?<\/style>|<svg[\s\S]*?<\/svg>|<[^>]*>/g, " ").replace(/\s+/g, " ");

test("why: it opens offline: the pictures and figures are inside", () => {
  expect(page.match(/src="[^"]*"/g)).toEqual(
    Object.values({ ...png }).map((bytes) => `src="data:image/png;base64,${bytes.toString("base64")}"`),
  );
  expect(page.match(/<svg /g)?.length).toBe(4);
  expect(page).not.toMatch(/(?:src|href)="(?!data:|#)/);
});

test("why: counts, accuracies and times are the measured ones", () => {
  expect(text).toContain("12 people with 8 images each, made in 2.0 minutes");
  expect(text).toContain("learned only from the 96 generated images");
  expect(text).toContain(
    "Accuracy 73.4 % &plusmn; 4.2 % over ten folds; the same net trained on the drawn set reaches 91.1 %",
  );
  expect(text).toContain("72 of 96 images switched early, between t = 880 and t = 640, half of them by t = 720.");
  expect(page).not.toMatch(/undefined|NaN|Infinity/);
});

test("why: no image may have switched, and the sentence must still be one", async () => {
  const none = await reportHtml({ ...result, conditionedFrom: new Array<number>(images).fill(480) }, png);
  expect(none).toContain("None of the 96 images switched early.");
});

test("why: an adapter's name is text, not markup", () => {
  expect(page).toContain("card &lt;one&gt; &amp; more");
  expect(page).toContain("a &lt; b");
});
