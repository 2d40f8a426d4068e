import { expect, test } from "vitest";
import { sentence } from "./problem.tsx";

test.each([
  ["there is no play", "There is no play"],
  ["play_list takes no flow", "play_list takes no flow"],
  ["`limit` is 0", "`limit` is 0"],
  ["limit=0: at least 1", "limit=0: at least 1"],
  ["The server does not answer.", "The server does not answer."],
  ["", ""],
])("%j is said as %j", (text, said) => {
  expect(sentence(text)).toBe(said);
});
