/**
 * A play as Chrome trace JSON, which Perfetto and chrome://tracing open.
 *
 * Bars on one track have to lie within each other, so what ran side by side goes to tracks of its own.
 */

import type { Order } from "./order.ts";
import { KINDS, RUNNING, type Spans, STATUSES } from "./spans.ts";

const MAX_TRACKS = 500;
const PIECE_CHARS = 1 << 20;

/** By position: on which track it is drawn. A child is on its parent's where nothing else is there. */
export function tracksOf(order: Order, spans: Spans, nowMs: number): Int32Array {
  const tracks = new Int32Array(order.count);
  // Until when each track is taken by what hangs below none, and each parent's by its children.
  const takenTo: number[] = [];
  const innerTo = new Float64Array(order.count).fill(-Infinity);
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    const start = spans.start[row]!;
    const end = spans.endAt(row, nowMs);
    const above = order.parents[at]!;
    if (above >= 0 && start >= innerTo[above]! && fitsIn(spans, order.rows[above]!, start, end, nowMs)) {
      tracks[at] = tracks[above]!;
      innerTo[above] = end;
      continue;
    }
    let track = takenTo.findIndex((to) => to <= start);
    if (track < 0) track = takenTo.length < MAX_TRACKS ? takenTo.length : MAX_TRACKS - 1;
    takenTo[track] = end;
    tracks[at] = track;
  }
  return tracks;
}

function fitsIn(spans: Spans, parent: number, start: number, end: number, nowMs: number): boolean {
  return start >= spans.start[parent]! && end <= spans.endAt(parent, nowMs);
}

/** The document in pieces. A span that runs is a beginning without an end. */
export function* chromeTrace(order: Order, spans: Spans, flow: string, nowMs: number): Generator<string> {
  const tracks = tracksOf(order, spans, nowMs);
  let piece = `{"displayTimeUnit":"ms","traceEvents":[\n${JSON.stringify({
    name: "process_name",
    ph: "M",
    pid: 1,
    tid: 0,
    args: { name: flow },
  })}`;
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    piece += `,\n${JSON.stringify(event(spans, row, tracks[at]!, nowMs))}`;
    if (piece.length > PIECE_CHARS) {
      yield piece;
      piece = "";
    }
  }
  yield `${piece}\n]}\n`;
}

function event(spans: Spans, row: number, track: number, nowMs: number): Record<string, unknown> {
  const start = spans.start[row]!;
  const isRunning = spans.status[row] === RUNNING;
  const error = spans.errors.get(row);
  return {
    name: spans.names[spans.name[row]!]!,
    cat: KINDS[spans.kind[row]!]!,
    ph: isRunning ? "B" : "X",
    ts: start * 1000,
    ...(isRunning ? {} : { dur: (spans.endAt(row, nowMs) - start) * 1000 }),
    pid: 1,
    tid: track + 1,
    args: {
      status: STATUSES[spans.status[row]!]!,
      span_id: spans.ids.text(row),
      ...(error ? { error } : {}),
    },
  };
}
