import { expect, test } from "vitest";
import { Engine } from "./engine.ts";
import * as failures from "./failures.ts";
import { news, tree } from "./testing.ts";

test("from no row, down goes to the first and up to the last", () => {
  const engine = new Engine();
  engine.spans.addNews(tree(60, 1));
  engine.refresh(0);
  const last = engine.totals().rows - 1;

  expect(engine.go({ kind: "go", to: "row", from: "", step: 1 }).index).toBe(0);
  expect(engine.go({ kind: "go", to: "row", from: "", step: -1 }).index).toBe(last);
});

/** flow, with a phase of two steps, a phase of thirty of one name, and one more. */
function phases(): Engine {
  const engine = new Engine();
  const spans = [news(0, { name: "flow" }), news(1, { name: "first", parent_id: "s0" })];
  for (const at of [2, 3]) spans.push(news(at, { name: `step ${at}`, parent_id: "s1" }));
  spans.push(news(4, { name: "second", parent_id: "s0" }));
  for (let at = 5; at < 35; at++) spans.push(news(at, { name: "fetch", parent_id: "s4", end_ms: 100 - at }));
  spans.push(news(35, { name: "third", parent_id: "s0" }));
  engine.spans.addNews(spans);
  engine.refresh(0);
  return engine;
}

test.each(["all", "none", "deeper", "shallower"] as const)(
  "to fold %s keeps what is chosen in sight",
  (how) => {
    for (const chosen of ["s3", "s20", "s0", "g4/5"]) {
      const engine = phases();
      engine.fold({ kind: "fold", how: "all", key: "", chosen: "" });
      const index = engine.go({ kind: "go", to: "row", from: chosen, step: 0 }).index;

      const folded = engine.fold({ kind: "fold", how, key: "", chosen });

      expect(folded.chosen.key).toBe(chosen);
      expect(folded.indexBefore).toBe(index);
    }
  },
);

test("with nothing chosen all is folded but the roots", () => {
  const engine = phases();

  expect(engine.fold({ kind: "fold", how: "none", key: "", chosen: "" }).totals.rows).toBe(1);
});

test("what is folded into a row is chosen as that row, and left from there", () => {
  const engine = phases();

  const folded = engine.fold({ kind: "fold", how: "close", key: "s1", chosen: "s3" });

  expect(folded.chosen.key).toBe("s1");
  expect(engine.go({ kind: "go", to: "row", from: "s3", step: 1 }).key).toBe("s4");
});

test("what failed is known to have done so by itself once that was asked for", () => {
  const engine = new Engine({ failures });
  const failed = { status: "failed", start_ms: 0 };
  engine.spans.addNews([
    news(0, { ...failed, end_ms: 900, error: "Own" }),
    news(1, { ...failed, end_ms: 10, error: "Caught", parent_id: "s0" }),
  ]);
  engine.refresh(0);

  const place = engine.go({ kind: "go", to: "cause", from: "", error: "Own" });

  expect(place).toMatchObject({ key: "s0", said: "Failure 1 of 2: why the play failed." });
  const ask = { first: 0, count: 9, fromMs: 0, toMs: 900, pixels: 90, nowMs: 0, selected: "", anchor: "" };
  expect(engine.view({ kind: "view", ...ask }).rows.map((row) => row.isOwn)).toEqual([true, true]);
});
