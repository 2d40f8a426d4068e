import { expect, test } from "vitest";
import { agoWords, durationWords } from "./time.ts";

test.each([
  [0, "0 ms"],
  [0.0384, "38.4 µs"],
  [0.42, "420 µs"],
  [0.9996, "1 ms"],
  [9.994, "9.99 ms"],
  [9.996, "10 ms"],
  [18.31, "18.3 ms"],
  [99.97, "100 ms"],
  [999.4, "999 ms"],
  [999.6, "1 s"],
  [1254, "1.25 s"],
  [59_949, "59.9 s"],
  [60_000, "1 min 00 s"],
  [185_000, "3 min 05 s"],
  [7_440_000, "2 h 04 min"],
  [200_000_000, "2 d 08 h"],
  [NaN, ""],
  [-18, "−18 ms"],
])("%f ms is %s", (ms, words) => {
  expect(durationWords(ms)).toBe(words);
});

test("what lies ahead of this clock is now", () => {
  expect(agoWords(5_000, 1_000)).toBe("now");
  expect(agoWords(1_000, 13_000)).toBe("12 s ago");
  expect(agoWords(0, 2 * 3600_000)).toBe("2 h ago");
});
