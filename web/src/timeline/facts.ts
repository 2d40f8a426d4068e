/** Where a span stands in its play, for its details. Loaded when the first one is chosen. */

import type { SpanFacts } from "./messages.ts";
import type { Order } from "./order.ts";
import type { Spans } from "./spans.ts";

const MOST_ANCESTORS = 100;

/** Of the span at a position; `path` are the pairs of the critical path in it. */
export function factsOf(order: Order, spans: Spans, position: number, path: readonly number[]): SpanFacts {
  const row = order.rows[position]!;
  const end = order.endOf(position);
  let children = 0;
  for (let at = position + 1; at < end; at = order.endOf(at)) children++;
  return {
    key: "",
    row,
    spanId: spans.ids.text(row),
    name: spans.names[spans.name[row]!]!,
    status: spans.status[row]!,
    kind: spans.kind[row]!,
    startMs: spans.start[row]!,
    endMs: spans.end[row]!,
    error: spans.errors.get(row) ?? "",
    children,
    below: end - position - 1,
    failedBelow: order.failedIn(position + 1, end),
    pathMs: path.reduce((sum, ms, at) => sum + (at % 2 ? ms : -ms), 0),
    hasLogs: (spans.marks[row]! & 1) > 0,
    ancestors: ancestors(order, spans, position),
    group: null,
  };
}

function ancestors(order: Order, spans: Spans, position: number): SpanFacts["ancestors"] {
  const above: { row: number; name: string; status: number }[] = [];
  for (let at = order.parents[position]!; at >= 0 && above.length < MOST_ANCESTORS; at = order.parents[at]!) {
    const row = order.rows[at]!;
    above.push({ row, name: spans.names[spans.name[row]!]!, status: spans.status[row]! });
  }
  return above.reverse();
}
