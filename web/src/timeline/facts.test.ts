import { expect, test } from "vitest";
import { factsOf } from "./facts.ts";
import { Order } from "./order.ts";
import { news, spansOf } from "./testing.ts";

test("a span is told with what is above and below it, and its part of the critical path", () => {
  const spans = spansOf([
    news(0, { name: "flow" }),
    news(1, { name: "load", parent_id: "s0" }),
    news(2, { name: "read", parent_id: "s1", status: "failed", error: "E: x", logs: "1" }),
    news(3, { name: "store", parent_id: "s1" }),
    news(4, { name: "row", parent_id: "s3", status: "failed" }),
  ]);
  const order = new Order(spans);

  const load = factsOf(order, spans, 1, [1, 3, 5, 6]);
  const read = factsOf(order, spans, 2, []);

  expect(load).toMatchObject({ row: 1, spanId: "s1", children: 2, below: 3, failedBelow: 2, pathMs: 3 });
  expect(load.ancestors.map(({ name }) => name)).toEqual(["flow"]);
  expect(read).toMatchObject({ name: "read", error: "E: x", hasLogs: true, children: 0, failedBelow: 0 });
  expect(read.ancestors.map(({ name }) => name)).toEqual(["flow", "load"]);
});
