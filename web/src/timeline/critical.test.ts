import { expect, test } from "vitest";
import { criticalPath, PathIndex } from "./critical.ts";
import { Order } from "./order.ts";
import { NONE, type Spans } from "./spans.ts";
import { news, random, spansOf, tree } from "./testing.ts";

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

/** Whether a moment is in any of the pairs. */
function covers(pairs: readonly number[], ms: number): boolean {
  for (let at = 0; at < pairs.length; at += 2) if (pairs[at]! <= ms && ms < pairs[at + 1]!) return true;
  return false;
}

test("where it is in a folded row is where a slow version sees it, at any zoom", () => {
  const next = random(3);
  for (let seed = 0; seed < 40; seed++) {
    const spans = spansOf(tree(120, seed));
    const order = new Order(spans);
    const path = criticalPath(order, spans, 400);
    const index = new PathIndex(path, order, spans);
    const from = Math.floor(next() * order.count);
    const to = order.endOf(from);
    const inIt = [...path.rows.keys()].filter((at) => {
      const position = order.positionOf(path.rows[at]!);
      return position >= from && position < to;
    });
    const slow = inIt.flatMap((at) => [path.from[at]!, path.to[at]!]);
    const fromMs = next() * 200;
    const toMs = fromMs + 1 + next() * 300;

    expect(index.isIn(from, to), `seed ${seed}`).toBe(inIt.length > 0);
    for (const pixels of [3, 20_000]) {
      const pairs = index.pairs(from, to, fromMs, toMs, pixels);
      const pixelMs = (toMs - fromMs) / pixels;
      for (let probe = 0; probe < 50; probe++) {
        const pixel = Math.floor(next() * pixels);
        const middleMs = fromMs + (pixel + 0.5) * pixelMs;
        if (covers(slow, middleMs)) expect(covers(pairs, middleMs), `seed ${seed}`).toBe(true);
      }
      if (pixels > 3)
        for (const ms of pairs.slice(0, -1).filter((_, at) => at % 2 === 0))
          expect(covers(slow, ms)).toBe(true);
    }
  }
});

test("what it costs in a group does not grow with the path", () => {
  const flow = news(0, { start_ms: 0, end_ms: 50_000 });
  const steps = Array.from({ length: 50_000 }, (_, at) =>
    news(at + 1, { parent_id: "s0", start_ms: at, end_ms: at + 1 }),
  );
  const spans = spansOf([flow, ...steps]);
  const order = new Order(spans);
  const index = new PathIndex(criticalPath(order, spans, 0), order, spans);

  expect(index.pairs(1, order.count, 0, 50_000, 100)).toEqual([0, 50_000]);
  expect(index.isIn(0, 1)).toBe(false);
});
