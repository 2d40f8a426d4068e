import { expect, test } from "vitest";
import { criticalPath } from "./critical.ts";
import { Order } from "./order.ts";
import { NONE, type Spans } from "./spans.ts";
import { news, spansOf, tree } from "./testing.ts";

type Stretch = [row: number, fromMs: number, toMs: number];

/** By the words of the definition: look at all children again for each step back. */
function slowPath(
  order: Order,
  spans: Spans,
  nowMs: number,
  position = NONE,
  since = -Infinity,
  limit = Infinity,
): Stretch[] {
  const path: Stretch[] = [];
  let until = limit;
  const children: number[] = [];
  for (let at = 0; at < order.count; at++) if (order.parents[at] === position) children.push(at);
  for (;;) {
    let best = NONE;
    for (const child of children) {
      const end = Math.min(spans.endAt(order.rows[child]!, nowMs), limit);
      const start = Math.max(spans.start[order.rows[child]!]!, since);
      if (end > until || end <= start) continue;
      const bestEnd = best === NONE ? -Infinity : Math.min(spans.endAt(order.rows[best]!, nowMs), limit);
      if (
        end > bestEnd ||
        (end === bestEnd && spans.start[order.rows[child]!]! < spans.start[order.rows[best]!]!)
      )
        best = child;
    }
    if (best === NONE) break;
    const end = Math.min(spans.endAt(order.rows[best]!, nowMs), limit);
    const start = Math.max(spans.start[order.rows[best]!]!, since);
    if (position !== NONE && until > end) path.push([order.rows[position]!, end, until]);
    path.push(...slowPath(order, spans, nowMs, best, start, end));
    until = start;
  }
  if (position !== NONE && until > since) path.push([order.rows[position]!, since, until]);
  return path;
}

function fastPath(order: Order, spans: Spans, nowMs: number): Stretch[] {
  const path = criticalPath(order, spans, nowMs);
  return [...path.rows].map((row, at) => [row, path.from[at]!, path.to[at]!]);
}

test("the critical path is the one that a slow version finds, while spans run too", () => {
  for (let seed = 0; seed < 60; seed++) {
    const spans = spansOf(tree(80, seed));
    const order = new Order(spans);

    const fast = fastPath(order, spans, 400);
    // A circle of spans hangs on none: the slow version sees the orphans as roots, and so does the fast one.
    const slow = slowPath(order, spans, 400);
    expect(fast, `seed ${seed}`).toEqual(slow);
  }
});

test("it goes through the child that was waited for, and through the parent in between", () => {
  const spans = spansOf([
    news(0, { start_ms: 0, end_ms: 100 }),
    news(1, { parent_id: "s0", start_ms: 10, end_ms: 40 }),
    news(2, { parent_id: "s0", start_ms: 5, end_ms: 30 }),
    news(3, { parent_id: "s0", start_ms: 50, end_ms: 90 }),
  ]);

  expect(fastPath(new Order(spans), spans, 0)).toEqual([
    [0, 90, 100],
    [3, 50, 90],
    [0, 40, 50],
    [1, 10, 40],
    [0, 0, 10],
  ]);
});

test("of a play that runs it ends at what is waited for now", () => {
  const spans = spansOf([
    news(0, { start_ms: 0, end_ms: null, status: "running" }),
    news(1, { parent_id: "s0", start_ms: 20, end_ms: null, status: "running" }),
    news(2, { parent_id: "s1", start_ms: 30, end_ms: null, status: "running" }),
  ]);

  expect(fastPath(new Order(spans), spans, 70)[0]).toEqual([2, 30, 70]);
});
