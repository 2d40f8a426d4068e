/**
 * Finding spans: by name, kind, status and error in the columns that are here; what else was found is told by row.
 * Loaded when somebody looks for something.
 */

import type { Order } from "./order.ts";
import { isEmpty, type Query } from "./query.ts";
import { KINDS, type Spans, STATUSES, UNKNOWN } from "./spans.ts";

/** The positions that fit, in their order. `others` are rows that fit the words by their tags or logs. */
export function findSpans(
  order: Order,
  spans: Spans,
  query: Query,
  others: { readonly has: (row: number) => boolean },
): Int32Array {
  if (isEmpty(query)) return new Int32Array(0);
  const names = spans.names.map((name) => fits(name, query.words));
  const statuses = STATUSES.map((status) => !query.status || status.startsWith(query.status));
  const kinds = KINDS.map((kind) => !query.kind || kind.startsWith(query.kind));
  const found: number[] = [];
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    const status = spans.status[row]!;
    if (status === UNKNOWN || !statuses[status] || !kinds[spans.kind[row]!]) continue;
    if (names[spans.name[row]!] || others.has(row) || hasWordsOutside(spans, row, query.words))
      found.push(at);
  }
  return Int32Array.from(found);
}

/** Words may be spread over the name and the error. */
function hasWordsOutside(spans: Spans, row: number, words: readonly string[]): boolean {
  const error = spans.errors.get(row);
  if (error === undefined) return false;
  return fits(`${spans.names[spans.name[row]!]!} ${error}`, words);
}

function fits(text: string, words: readonly string[]): boolean {
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
}
