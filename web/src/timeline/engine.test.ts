import { expect, test } from "vitest";
import { Engine } from "./engine.ts";
import { tree } from "./testing.ts";

test("from no row, down goes to the first and up to the last", () => {
  const engine = new Engine();
  engine.spans.addNews(tree(60, 1));
  engine.refresh(0);
  const last = engine.totals().rows - 1;

  expect(engine.go({ kind: "go", to: "row", from: "", step: 1 }).index).toBe(0);
  expect(engine.go({ kind: "go", to: "row", from: "", step: -1 }).index).toBe(last);
});
