import { expect, test } from "vitest";
import { Detail, densityOf } from "./detail.ts";
import { Order } from "./order.ts";
import { RUNNING, type Spans } from "./spans.ts";
import { news, random, spansOf, tree } from "./testing.ts";

const PIXELS = 50;

/** Which pixels are drawn on, and how the worst of each fared: span by span. */
function slowPixels(
  order: Order,
  spans: Spans,
  from: number,
  to: number,
  fromMs: number,
  toMs: number,
  nowMs: number,
): number[] {
  const pixels = new Array<number>(PIXELS).fill(-1);
  const pixelOf = (ms: number): number =>
    Math.min(PIXELS - 1, Math.max(0, Math.floor((ms - fromMs) / ((toMs - fromMs) / PIXELS))));
  for (let at = from; at < to; at++) {
    const row = order.rows[at]!;
    const start = spans.start[row]!;
    const end = spans.endAt(row, nowMs);
    if (end < fromMs || start > toMs) continue;
    const rank = spans.status[row] === RUNNING ? 1.5 : spans.status[row]!;
    for (let pixel = pixelOf(start); pixel <= pixelOf(end); pixel++)
      pixels[pixel] = Math.max(pixels[pixel]!, rank);
  }
  return pixels;
}

function fastPixels(
  detail: Detail,
  from: number,
  to: number,
  fromMs: number,
  toMs: number,
  nowMs: number,
): number[] {
  const pixels = new Array<number>(PIXELS).fill(-1);
  const bars = detail.bars(from, to, fromMs, toMs, PIXELS, nowMs);
  const width = (toMs - fromMs) / PIXELS;
  for (let at = 0; at < bars.from.length; at++) {
    const last = Math.round((bars.to[at]! - fromMs) / width);
    for (let pixel = Math.round((bars.from[at]! - fromMs) / width); pixel < last; pixel++) {
      pixels[pixel] = bars.status[at] === RUNNING ? 1.5 : bars.status[at]!;
    }
  }
  return pixels;
}

test("a stretch is drawn as span by span, at any zoom", () => {
  const next = random(11);
  for (let seed = 0; seed < 20; seed++) {
    const spans = spansOf(tree(150, seed));
    const order = new Order(spans);
    const detail = new Detail(order, spans);
    for (let round = 0; round < 20; round++) {
      const from = Math.floor(next() * order.count);
      const to = order.endOf(from);
      const fromMs = next() * 200;
      const toMs = fromMs + 1 + next() * 400;

      const fast = fastPixels(detail, from, to, fromMs, toMs, 600);

      expect(fast, `seed ${seed}`).toEqual(slowPixels(order, spans, from, to, fromMs, toMs, 600));
    }
  }
});

test("what a stretch costs to draw does not grow with its spans", () => {
  const spans = spansOf(Array.from({ length: 40_000 }, (_, at) => news(at, { end_ms: at + 0.5 })));
  const order = new Order(spans);
  const detail = new Detail(order, spans);

  const bars = detail.bars(0, order.count, 0, 40_000, 800, 0);

  expect(bars.from).toHaveLength(1);
  expect(bars.to[0]).toBe(40_000);
});

test("one failure among thirty thousand spans is seen", () => {
  const given = Array.from({ length: 30_000 }, (_, at) =>
    news(at, at === 14_321 ? { status: "failed" } : {}),
  );
  const spans = spansOf(given);
  const order = new Order(spans);

  const bars = new Detail(order, spans).bars(0, order.count, 0, 30_000, 400, 0);

  expect([...bars.status]).toContain(4);
});

test("how busy a play was is what counting the open spans of each part gives", () => {
  const spans = spansOf(tree(200, 5));

  const density = densityOf(spans, 0, 300, 30);

  for (let part = 0; part < 30; part++) {
    let open = 0;
    for (let row = 0; row < spans.length; row++) {
      const first = Math.min(29, Math.max(0, Math.floor(spans.start[row]! / 10)));
      const last = Math.min(29, Math.max(0, Math.floor(spans.endAt(row, 300) / 10)));
      if (first <= part && part <= last) open++;
    }
    expect(density.open[part]).toBe(open);
  }
});
