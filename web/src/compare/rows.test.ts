import { expect, test } from "vitest";
import type { Place } from "./align.ts";
import { failuresOf, rowAt, rowsOf, topsOf } from "./rows.ts";

function place(name: string, depth: number, below: number, aError = "", bError = "", bMs = 10): Place {
  const sums = (totalMs: number, error: string) => ({
    count: 1,
    totalMs,
    selfMs: totalMs,
    failed: error ? 1 : 0,
    error,
  });
  return { name, depth, below, a: sums(10, aError), b: sums(bMs, bError) };
}

const PLACES = [
  place("root", 0, 3),
  place("one", 1, 1, "", "", 15),
  place("inner", 2, 0, "", "E: b\nmore", 30),
  place("two", 1, 0, "E: a", "E: b", 12),
];

test("the errors of both plays are told, and once what both say", () => {
  expect(failuresOf(place("", 0, 0, "E: a\nat 1", "E: b\nat 2"))).toEqual([
    { whose: "A", text: "E: a" },
    { whose: "B", text: "E: b" },
  ]);
  expect(failuresOf(place("", 0, 0, "E: a\nat 1", "E: a\nat 2"))).toEqual([{ whose: "A, B", text: "E: a" }]);
  expect(failuresOf(place("", 0, 0, "E: a"))).toEqual([{ whose: "A", text: "E: a" }]);
  expect(failuresOf(place("", 0, 0))).toEqual([]);
});

test("what is folded is left out, and of one change the greatest is first", () => {
  const names = (wanted: "" | "slower", folded: number[]) =>
    rowsOf(PLACES, wanted, new Set(folded)).map((row) => row.place.name);

  expect(names("", [])).toEqual(["root", "one", "inner", "two"]);
  expect(names("", [1])).toEqual(["root", "one", "two"]);
  expect(names("slower", [])).toEqual(["inner", "one", "two"]);
});

test("each row is as high as its errors, and found by where it is", () => {
  const tops = topsOf(rowsOf(PLACES, "", new Set()), 30, 20);

  expect([...tops]).toEqual([0, 30, 60, 110, 180]);
  const slowly = (px: number) => Math.max(0, [...tops].slice(0, -1).filter((top) => top <= px).length - 1);
  for (let px = -5; px < 200; px++) expect(rowAt(tops, px)).toBe(slowly(px));
  expect(rowAt(topsOf([], 30, 20), 10)).toBe(0);
});
