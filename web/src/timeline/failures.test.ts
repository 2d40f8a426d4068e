import { expect, test } from "vitest";
import { Failures } from "./failures.ts";
import { Order } from "./order.ts";
import type { SpanNews } from "./spans.ts";
import { news, spansOf, tree } from "./testing.ts";

interface Told {
  readonly failures: Failures;
  readonly nameAt: (position: number) => string;
  readonly at: (name: string) => number;
}

/** A play, a line a span: how far in, name, from, to, and the error of what failed (`~` before it: cancelled). */
function told(lines: string, playError = ""): Told {
  const above: string[] = [];
  const spans: SpanNews[] = [];
  for (const line of lines.split("\n").filter((text) => text.trim())) {
    const depth = line.search(/\S/);
    const [name, from, to, ...words] = line.trim().split(" ");
    const error = words.join(" ");
    above[depth] = name!;
    spans.push(
      news(spans.length, {
        span_id: name!,
        name: name!,
        parent_id: depth ? above[depth - 1]! : "",
        start_ms: Number(from),
        end_ms: to === "…" ? null : Number(to),
        status: to === "…" ? "running" : error.startsWith("~") ? "cancelled" : error ? "failed" : "ok",
        error: error.replaceAll("|", "\n"),
      }),
    );
  }
  const columns = spansOf(spans);
  const order = new Order(columns);
  const nameAt = (position: number): string =>
    position < 0 ? "" : columns.names[columns.name[order.rows[position]!]!]!;
  const names = [...order.rows.keys()].map(nameAt);
  return { failures: new Failures(order, columns, playError), nameAt, at: (name) => names.indexOf(name) };
}

const CAUGHT_FIRST = `
flow 0 100 ValueError: no currency
 probe 0 30
  ask-a 0 10 ConnectionError: refused
  ask-b 10 20 ConnectionError: refused
 convert 40 100 ValueError: no currency
  read 40 60
  row 60 99 ValueError: no currency|Traceback
`;

test.each([
  ["a failure that was caught earlier", CAUGHT_FIRST, "row"],
  [
    "the last of some tries",
    "flow 0 90 GaveUp\n try-1 0 30 Refused\n try-2 30 60 Refused\n try-3 60 89 Refused",
    "try-3",
  ],
  [
    "one that was said in other words above",
    "flow 0 50 Outer\n load 0 49 Middle\n  read 10 48 Inner",
    "read",
  ],
  ["its own, after one that was caught", "flow 0 500 Own\n try 0 10 Caught\n store 20 30", "flow"],
  ["its own, long after one that was caught", "flow 0 9000 Own\n try 0 10 Caught", "flow"],
  [
    "the one with its error, though others went on",
    "flow 0 90 E: x\n a 0 20 E: x\n b 0 80\n c 30 80 Other",
    "a",
  ],
  ["not what was cancelled because of it", "flow 0 50 Group\n a 0 40 E: x\n b 0 41 ~Cancelled", "a"],
  [
    "what was open when it broke off, the innermost",
    "flow 0 50 open\n outer 0 50 open\n  inner 9 50 open",
    "inner",
  ],
  ["the last root that failed", "first 0 10 Early\nsecond 10 20\nthird 20 30 Late\nfourth 30 40", "third"],
])("what made a play fail is %s", (_, lines, cause) => {
  const play = told(lines);

  expect(play.nameAt(play.failures.cause())).toBe(cause);
});

test("the root that says what the play says made it fail", () => {
  const play = told("first 0 10 Early\nsecond 10 20 Late", "Early\n\nTraceback");

  expect(play.nameAt(play.failures.cause())).toBe("first");
});

test("a play whose roots ended well has no cause but one with its own words", () => {
  const lines = "flow 0 100\n a 0 20 E: x\n b 20 40 E: y\n c 40 60 E: z";

  expect(told(lines).failures.cause()).toBe(-1);
  expect(told(lines, "E: other").failures.cause()).toBe(-1);
  expect(told(lines, "E: y").nameAt(told(lines, "E: y").failures.cause())).toBe("b");
});

test("what was caught comes after all that was not", () => {
  const play = told(`
flow 0 100 ValueError: x
 probe 0 30
  ask 0 10 Refused
 side 30 99 Other: y
  deep 30 98 Other: y
 convert 40 100 ValueError: x
`);
  const { failures } = play;

  expect([...failures.all()].map(play.nameAt)).toEqual(["convert", "deep", "ask"]);
  expect([0, 1, 2].map((place) => failures.isCaught(place))).toEqual([false, false, true]);
});

test("the next failure is the next of the list, around its end", () => {
  const { failures, at } = told(CAUGHT_FIRST);

  expect(failures.next(-1, 1)).toBe(0);
  expect(failures.next(-1, -1)).toBe(2);
  expect([failures.next(at("row"), 1), failures.next(at("ask-b"), 1)]).toEqual([1, 0]);
  expect([failures.next(at("row"), -1), failures.next(at("ask-a"), -1)]).toEqual([2, 0]);
});

test("from what failed because of another that other is next; from all else the nearest below it", () => {
  const { failures, at } = told(CAUGHT_FIRST);

  expect([failures.next(at("flow"), 1), failures.next(at("convert"), 1)]).toEqual([0, 0]);
  expect([failures.next(at("probe"), 1), failures.next(at("read"), 1)]).toEqual([1, 0]);
  expect(failures.next(at("read"), -1)).toBe(2);
});

test("the first failure below a span is its own cause, or the nearest", () => {
  const { failures, at } = told(CAUGHT_FIRST);

  expect([failures.under(at("flow")), failures.under(at("probe"))]).toEqual([0, 1]);
  expect([failures.under(at("read")), failures.under(at("row"))]).toEqual([-1, -1]);
});

test("each failure is said to be which of how many, and what became of it", () => {
  const { failures, at } = told(CAUGHT_FIRST);
  const near = (): number => 0;
  const said = (from: string): string | undefined =>
    failures.goal("next failure", from ? at(from) : null, near)?.said;

  expect(said("")).toBe("Failure 1 of 3: why the play failed.");
  expect(said("row")).toBe("Failure 2 of 3: it was caught.");
  const one = told("flow 0 9 E: x\n a 0 8 E: x").failures;
  expect(one.goal("next failure", 0, near)).toEqual({ position: 1, said: "The only failure." });
  expect(one.goal("next failure", 1, near)).toEqual({ position: 1, said: "This is the only failure." });
});

test("where nothing failed there is nothing to go to", () => {
  const { failures } = told("flow 0 …\n a 0 10");

  expect([failures.cause(), failures.next(-1, 1), failures.next(1, -1), failures.under(0)]).toEqual([
    -1, -1, -1, -1,
  ]);
});

test("each failure has its beginning in the list, and each of the list is its own", () => {
  for (let seed = 0; seed < 30; seed++) {
    const spans = spansOf(tree(150, seed));
    const order = new Order(spans);
    const failures = new Failures(order, spans, "it failed at 2");
    const all = new Set(failures.all());

    const failed = [...order.rows.keys()].filter((at) => spans.status[order.rows[at]!]! > 1);
    const begun = failed.map((at) => failures.causeOf(at));

    expect(new Set(begun), `seed ${seed}`).toEqual(all);
    expect(failures.all()).toHaveLength(all.size);
    for (const at of all) expect(failures.isOwn(at)).toBe(true);
  }
});
