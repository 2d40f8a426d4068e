import { expect, test } from "vitest";
import { BadColumns, type Bytes, ColumnDecoder } from "./columns.ts";
import { Spans } from "./spans.ts";
import { columnsOf, random, spansOf, tree } from "./testing.ts";

function decode(pieces: readonly Bytes[]): Spans {
  const spans = new Spans();
  const decoder = new ColumnDecoder({
    head: () => undefined,
    names: (names) => spans.addNames(names),
    block: (block) => spans.addBlock(block),
    done: () => undefined,
  });
  for (const piece of pieces) decoder.push(piece);
  decoder.finish();
  return spans;
}

function rowsOf(spans: Spans): unknown[] {
  return Array.from({ length: spans.length }, (_, row) => [
    spans.ids.text(row),
    spans.names[spans.name[row]!],
    spans.start[row],
    spans.end[row],
    spans.status[row],
    spans.parent[row],
    spans.errors.get(row),
  ]);
}

test("columns and events tell the same spans", () => {
  const given = tree(300, 1);

  expect(rowsOf(decode([columnsOf(given)]))).toEqual(rowsOf(spansOf(given)));
});

test("however the bytes are cut, the same spans come out", () => {
  const given = tree(60, 2);
  const bytes = columnsOf(given);
  const next = random(3);
  for (let round = 0; round < 30; round++) {
    const pieces: Bytes[] = [];
    for (let at = 0; at < bytes.length;) {
      const size = 1 + Math.floor(next() * (round < 3 ? 3 : 900));
      pieces.push(bytes.slice(at, at + size));
      at += size;
    }

    expect(rowsOf(decode(pieces))).toEqual(rowsOf(spansOf(given)));
  }
});

test("a stream that is broken off is an error", () => {
  const bytes = columnsOf(tree(20, 4));

  expect(() => decode([bytes.slice(0, bytes.length - 16)])).toThrow(BadColumns);
});

test("bytes that are no columns are an error", () => {
  const bytes = columnsOf(tree(20, 5));

  const none = new TextEncoder().encode("<!doctype html>");
  const huge = bytes.slice();
  huge.set([255, 255, 255, 255], 12);

  expect(() => decode([none])).toThrow(BadColumns);
  expect(() => decode([huge])).toThrow(BadColumns);
});
