/** Finding spans: by name, kind, status and error in the columns that are here; what else was found is told by row. */

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

/** The match after a position, or before it; around the end. -1 where there is none. */
export function nextMatch(matches: Int32Array, position: number, step: 1 | -1): number {
  if (!matches.length) return -1;
  let low = 0;
  let high = matches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (matches[middle]! < (step === 1 ? position + 1 : position)) low = middle + 1;
    else high = middle;
  }
  const at = step === 1 ? low : low - 1;
  return matches[(at + matches.length) % matches.length]!;
}
