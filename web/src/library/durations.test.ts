import { expect, test } from "vitest";
import type { PlaySummary } from "../rpc/documents.ts";
import { columnsOf, saysOf, STEPS_MS, summaryOf, takenOf } from "./durations.ts";

const play = (sid: string, status: string, duration_ms: number | null, end_ms: number | null) =>
  ({ sid, status, duration_ms, end_ms }) as PlaySummary;
const PLAYS = [
  play("e", "running", null, null),
  play("d", "ok", 1254.3125, 4000),
  play("c", "timed_out", 300, 3000),
  play("b", "cancelled", 20, 2000),
  play("a", "failed", 10, 1000),
];

test("those that have ended are drawn, the oldest first, each in the column of its kind", () => {
  const taken = takenOf(PLAYS);

  expect(taken.map(({ sid }) => sid)).toEqual(["a", "b", "c", "d"]);
  expect(columnsOf(taken)).toEqual([
    [0, 1, 2, 3],
    [null, null, null, 1254.3125],
    [10, null, 300, null],
    [null, 20, null, null],
  ]);
});

test("what is said of them", () => {
  const taken = takenOf(PLAYS);

  expect(summaryOf(taken)).toBe("4 plays: median 20 ms, longest 1.25 s; 2 failed");
  expect(summaryOf(taken.slice(3))).toBe("1 play: median 1.25 s, longest 1.25 s; none failed");
  expect(saysOf(taken[2]!, 63_000)).toBe("timed out after 300 ms (300 ms), 1 min ago");
  expect(saysOf(taken[3]!, 4000)).toBe("ok after 1.25 s (1254.313 ms), now");
});

test("steps of the axis rise", () => {
  expect([...STEPS_MS].sort((one, other) => one - other)).toEqual(STEPS_MS);
});
