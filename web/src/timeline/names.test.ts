import { expect, test } from "vitest";
import { boxesIn, flameOf } from "./flame.ts";
import { nextMatch } from "./find.ts";
import { findSpans } from "./matches.ts";
import { readQuery } from "./query.ts";
import { nameTable, selfTimes } from "./names.ts";
import { Order } from "./order.ts";
import { NONE, RUNNING, type Spans } from "./spans.ts";
import { spansOf, tree } from "./testing.ts";

const NOW_MS = 500;

/** What of a span is not covered by a child: each child cuts holes into what is left. */
function slowSelf(order: Order, spans: Spans, position: number): number {
  const row = order.rows[position]!;
  let left: [number, number][] = [[spans.start[row]!, spans.endAt(row, NOW_MS)]];
  for (let at = 0; at < order.count; at++) {
    if (order.parents[at] !== position) continue;
    const start = spans.start[order.rows[at]!]!;
    const end = spans.endAt(order.rows[at]!, NOW_MS);
    left = left
      .flatMap(([from, to]) => [
        [from, Math.min(to, start)] as [number, number],
        [Math.max(from, end), to] as [number, number],
      ])
      .filter(([from, to]) => to > from);
  }
  return left.reduce((sum, [from, to]) => sum + to - from, 0);
}

test("time of its own is what no child covers", () => {
  for (let seed = 0; seed < 20; seed++) {
    const spans = spansOf(tree(120, seed));
    const order = new Order(spans);

    const own = selfTimes(order, spans, NOW_MS);

    for (let at = 0; at < order.count; at++) expect(own[at]).toBeCloseTo(slowSelf(order, spans, at), 6);
  }
});

test("the table by name is what going through all spans for each name gives", () => {
  const spans = spansOf(tree(300, 4));
  const order = new Order(spans);

  for (const found of nameTable(order, spans, NOW_MS)) {
    const rows = [...order.rows].filter((row) => spans.names[spans.name[row]!] === found.name);
    const ended = rows.filter((row) => spans.status[row] !== RUNNING);
    const lasted = ended
      .map((row) => spans.endAt(row, 0) - spans.start[row]!)
      .sort((one, other) => one - other);
    const rank = (percent: number): number =>
      lasted.find((_, at) => (at + 1) / lasted.length >= percent / 100) ?? NaN;
    expect(found.count).toBe(rows.length);
    expect(found.running).toBe(rows.length - ended.length);
    expect(found.failed).toBe(ended.filter((row) => spans.status[row]! > 1).length);
    expect(found.totalMs).toBeCloseTo(
      lasted.reduce((sum, one) => sum + one, 0),
      6,
    );
    expect([found.p50Ms, found.p95Ms, found.maxMs]).toEqual([rank(50), rank(95), lasted.at(-1)]);
  }
});

test("spans of one way of names are one box of the flame view, wide enough for what is above it", () => {
  const spans = spansOf(tree(300, 9));
  const order = new Order(spans);
  const flame = flameOf(order, spans, NOW_MS);
  const wayOf = (at: number): string =>
    `${order.parents[at]! < 0 ? "" : wayOf(order.parents[at]!)}/${spans.names[spans.name[order.rows[at]!]!]}`;
  const boxWay = (box: number): string =>
    `${flame.parents[box]! < 0 ? "" : boxWay(flame.parents[box]!)}/${spans.names[flame.names[box]!]}`;
  const counts = new Map<string, number>();
  for (let at = 0; at < order.count; at++) counts.set(wayOf(at), (counts.get(wayOf(at)) ?? 0) + 1);

  expect(Object.fromEntries([...flame.counts].map((count, box) => [boxWay(box), count]))).toEqual(
    Object.fromEntries(counts),
  );
  for (let box = 0; box < flame.names.length; box++) {
    const parent = flame.parents[box]!;
    if (parent === NONE) continue;
    expect(flame.leftMs[box]!).toBeGreaterThanOrEqual(flame.leftMs[parent]! - 1e-6);
    expect(flame.leftMs[box]! + flame.widthMs[box]!).toBeLessThanOrEqual(
      flame.leftMs[parent]! + flame.widthMs[parent]! + 1e-6,
    );
  }
  expect(boxesIn(flame, NONE, 1e12)).toHaveLength(flame.widthMs.filter((width) => width > 0).length);
});

test("finding is looking at each span", () => {
  const spans = spansOf(tree(300, 6));
  const order = new Order(spans);
  const slow = [...order.rows.keys()].filter((at) => {
    const row = order.rows[at]!;
    const text = `${spans.names[spans.name[row]!]} ${spans.errors.get(row) ?? ""}`;
    return spans.status[row]! > 1 && text.includes("failed") && text.includes("2");
  });

  expect(slow.length).toBeGreaterThan(0);
  expect([...findSpans(order, spans, readQuery("status:failed failed 2"), new Set())]).toEqual(slow);
  expect([...findSpans(order, spans, readQuery("  "), new Set())]).toEqual([]);
});

test("the next match goes around the end", () => {
  const matches = Int32Array.of(2, 5, 9);

  expect([1, 2, 9, 10].map((at) => nextMatch(matches, at, 1))).toEqual([2, 5, 2, 2]);
  expect([1, 2, 9, 10].map((at) => nextMatch(matches, at, -1))).toEqual([9, 9, 5, 9]);
});
