import { expect, test } from "vitest";
import { GROUP_MIN, Order } from "./order.ts";
import { codeOfGroup, Folding, groupOfCode, ORPHANS, reveal, visibleRows } from "./rows.ts";
import { ORPHAN, type SpanNews, type Spans } from "./spans.ts";
import { news, spansOf, tree } from "./testing.ts";

interface Slow {
  readonly span: SpanNews;
  readonly level: number;
  readonly size: number;
  readonly failed: number;
}

/** The order as a person would write it down: a list of children for each, groups pulled together. */
function slowOrder(given: readonly SpanNews[]): Slow[] {
  const ids = new Set(given.map((span) => span.span_id));
  const below = (id: string): SpanNews[] => together(given.filter((span) => span.parent_id === id));
  const walk = (siblings: SpanNews[], level: number): Slow[] =>
    siblings.flatMap((span) => {
      const own = level + (isMany(siblings, span) ? 1 : 0);
      const under = walk(below(span.span_id), own + 1);
      const failed =
        under.filter((one) => one.span.status === "failed").length + (span.status === "failed" ? 1 : 0);
      return [{ span, level: own, size: under.length + 1, failed }, ...under];
    });
  const roots = together(given.filter((span) => span.parent_id === ""));
  const orphans = together(given.filter((span) => span.parent_id !== "" && !ids.has(span.parent_id)));
  return [...walk(roots, 1), ...walk(orphans, 2)];
}

function isMany(siblings: readonly SpanNews[], span: SpanNews): boolean {
  return siblings.filter((other) => other.name === span.name).length >= GROUP_MIN;
}

function together(siblings: readonly SpanNews[]): SpanNews[] {
  const done = new Set<string>();
  return siblings.flatMap((span) => {
    if (!isMany(siblings, span)) return [span];
    if (done.has(span.name)) return [];
    done.add(span.name);
    return siblings.filter((other) => other.name === span.name);
  });
}

function fastOrder(spans: Spans): unknown[] {
  const order = new Order(spans);
  return Array.from({ length: order.count }, (_, at) => [
    spans.ids.text(order.rows[at]!),
    order.levels[at],
    order.sizes[at],
    order.failedIn(at, order.endOf(at)),
  ]);
}

test.each([0, 1, 2, 30, 200, 600])("a tree of %i spans has the order that a slow version gives", (count) => {
  for (let seed = 0; seed < 5; seed++) {
    const given = tree(count, seed);

    const slow = slowOrder(given).map(({ span, level, size, failed }) => [span.span_id, level, size, failed]);
    expect(fastOrder(spansOf(given))).toEqual(slow);
  }
});

test("it is the same order, whatever comes first", () => {
  const given = tree(200, 7);
  const spans = spansOf(given.toReversed());

  expect(fastOrder(spans)).toEqual(fastOrder(spansOf(given)));
});

test("a parent that comes late takes its children in", () => {
  const spans = spansOf([news(1, { parent_id: "s2" })]);
  expect(spans.parent[1]).toBe(ORPHAN);

  spans.addNews([news(2, { span_id: "s2" })]);

  expect(new Order(spans).orphansFrom).toBe(2);
  expect(spans.parent[1]).toBe(2);
});

test("spans that are below themselves are orphans, and none is lost", () => {
  const spans = spansOf([
    news(0, { parent_id: "s1" }),
    news(1, { parent_id: "s0" }),
    news(2, { parent_id: "s2" }),
    news(3, { parent_id: "s1" }),
  ]);

  const order = new Order(spans);

  expect(order.count).toBe(4);
  expect(order.orphansFrom).toBe(0);
});

test("a chain of fifty thousand spans is walked without recursion", () => {
  const given = Array.from({ length: 50_000 }, (_, at) => news(at, { parent_id: at ? `s${at - 1}` : "" }));

  const order = new Order(spansOf(given));

  expect(order.levels[49_999]).toBe(50_000);
  expect(order.sizes[0]).toBe(50_000);
});

test("siblings of one name are a group with the slowest, and those that failed", () => {
  const spans = spansOf([
    news(0, { name: "flow", end_ms: 500 }),
    ...Array.from({ length: 100 }, (_, at) =>
      news(at + 1, {
        name: "fetch",
        parent_id: "s0",
        end_ms: at + 1 + (at === 40 ? 99 : 1),
        status: at === 70 ? "failed" : "ok",
      }),
    ),
  ]);

  const order = new Order(spans);

  expect(order.groups).toHaveLength(1);
  expect(order.groups[0]).toMatchObject({ count: 100, failed: 1, slowest: 41, from: 1, to: 101, level: 2 });
  const seen = [...visibleRows(order, new Folding())].map((code) => (code >= 0 ? order.rows[code] : code));
  expect(seen).toEqual([0, codeOfGroup(0), 41, 71]);
});

test("an open group has all of its members as rows", () => {
  const given = Array.from({ length: 40 }, (_, at) => news(at));
  const order = new Order(spansOf(given));
  const folding = new Folding();
  folding.setState(order.groups[0]!, "open");

  const seen = visibleRows(order, folding);

  expect(seen).toHaveLength(41);
  expect(groupOfCode(order, seen[0]!)).toBe(order.groups[0]);
});

test("orphans are under a row that says so", () => {
  const order = new Order(spansOf([news(0), news(1, { parent_id: "gone" })]));

  expect([...visibleRows(order, new Folding())]).toEqual([0, ORPHANS, 1]);
});

test("whatever hides a span is unfolded for it", () => {
  for (let seed = 0; seed < 10; seed++) {
    const order = new Order(spansOf(tree(400, seed)));
    const folding = new Folding();
    folding.reset(0, "closed", order.groups);
    folding.areOrphansOpen = false;
    for (let at = 0; at < order.count; at += 13) {
      expect([...visibleRows(order, folding)].includes(at), `seed ${seed}, position ${at}`).toBe(
        false || seenBefore(order, folding, at),
      );

      reveal(order, folding, at);

      expect([...visibleRows(order, folding)], `seed ${seed}, position ${at}`).toContain(at);
    }
  }
});

function seenBefore(order: Order, folding: Folding, at: number): boolean {
  return [...visibleRows(order, folding)].includes(at);
}

test("with all open each span is a row once, in the order of the play", () => {
  const order = new Order(spansOf(tree(500, 3)));
  const folding = new Folding();
  folding.reset(Infinity, "open", order.groups);

  const seen = [...visibleRows(order, folding)].filter((code) => code >= 0);

  expect(seen).toEqual(Array.from({ length: order.count }, (_, at) => at));
});
