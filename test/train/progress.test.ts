// What a run says of its pace, elsewhere than on a terminal.

import { expect, test } from "vitest";
import { Progress } from "../../train/progress.js";

test("why: a last step that was due by itself is shown once, and no pace is infinite", () => {
  const lines: string[] = [];
  const progress = new Progress(2, 0, { write: (text: string) => lines.push(text) });
  progress.show(1, { loss: 0.5 });
  progress.show(2, { loss: 0.25 });
  progress.show(2, { loss: 0.25 }); // what a run does when it ends
  expect(lines).toEqual([
    expect.stringMatching(/^step 1\/2 {2}loss 0\.5 {2}first step \d+ s, shaders compiled\n$/),
    expect.stringMatching(/^step 2\/2 {2}loss 0\.25 {2}[\d.e+]+ steps\/s {2}0 s left\n$/),
  ]);
});
