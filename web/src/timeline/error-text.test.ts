import { expect, test } from "vitest";
import { errorParts } from "./error-text.ts";

const FRAMES = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    g()';

test.each([
  ["", "", "", ""],
  ["E: x", "E: x", "", ""],
  [`E: x\n\n${FRAMES}\nE: x\n`, "E: x", FRAMES, "E: x"],
  [`E: x\n${FRAMES}\nE: x\nwith two lines`, "E: x", FRAMES, "E: x\nwith two lines"],
  [`E: x\n${FRAMES}`, "E: x", FRAMES, ""],
  ["E: x\nonly words", "E: x", "", "only words"],
])("%j has its line, its calls and its end", (error, first, frames, last) => {
  expect(errorParts(error)).toEqual({ first, frames, last });
});

test("of a chain of errors the last one is the end", () => {
  const chain = `${FRAMES}\nInner: y\n\nThe above exception was the direct cause:\n\n${FRAMES}`;

  expect(errorParts(`E: x\n${chain}\nE: x`)).toEqual({ first: "E: x", frames: chain, last: "E: x" });
});
