/** What the spans of each name took: a row for each name, exact, in one pass and one sort. */

import type { Order } from "./order.ts";
import { RUNNING, type Spans, WORST_OK } from "./spans.ts";

export interface NameRow {
  readonly name: string;
  readonly count: number;
  readonly running: number;
  readonly failed: number;
  /** Of those that ended. */
  readonly totalMs: number;
  /** What of it was not spent in children. */
  readonly selfMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/** By position, how long a span that ended lasted without the time in which a child of it was open; 0 while it runs. */
export function selfTimes(order: Order, spans: Spans, nowMs: number): Float64Array {
  const own = new Float64Array(order.count);
  // How far the children that have been seen cover their parent: children come in the order of their starts, nearly
  // always; where one does not, its parent is done again with its children sorted.
  const coveredTo = new Float64Array(order.count).fill(-Infinity);
  const lastStart = new Float64Array(order.count).fill(-Infinity);
  const unsorted = new Set<number>();
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    const start = spans.start[row]!;
    const end = spans.endAt(row, nowMs);
    own[at] = own[at]! + (end - start);
    const above = order.parents[at]!;
    if (above < 0) continue;
    if (start < lastStart[above]!) unsorted.add(above);
    lastStart[above] = start;
    own[above] = own[above]! - added(spans, order, above, start, end, coveredTo, nowMs);
  }
  for (const position of unsorted) own[position] = selfOf(order, spans, position, nowMs);
  return own;
}

function added(
  spans: Spans,
  order: Order,
  above: number,
  start: number,
  end: number,
  coveredTo: Float64Array,
  nowMs: number,
): number {
  const row = order.rows[above]!;
  const from = Math.max(start, coveredTo[above]!, spans.start[row]!);
  const to = Math.min(end, spans.endAt(row, nowMs));
  if (to <= from) return 0;
  coveredTo[above] = to;
  return to - from;
}

function selfOf(order: Order, spans: Spans, position: number, nowMs: number): number {
  const children: number[] = [];
  for (let at = position + 1; at < order.endOf(position); at = order.endOf(at))
    children.push(order.rows[at]!);
  children.sort((one, other) => spans.start[one]! - spans.start[other]!);
  const row = order.rows[position]!;
  const end = spans.endAt(row, nowMs);
  let covered = spans.start[row]!;
  let own = end - covered;
  for (const child of children) {
    const from = Math.max(spans.start[child]!, covered);
    const to = Math.min(spans.endAt(child, nowMs), end);
    if (to > from) {
      own -= to - from;
      covered = to;
    }
  }
  return own;
}

/** A row for each name, the one with the most time of its own first. Percentiles are the nearest rank. */
export function nameTable(order: Order, spans: Spans, nowMs: number): NameRow[] {
  const names = spans.names.length;
  const own = selfTimes(order, spans, nowMs);
  const counts = new Uint32Array(names);
  const running = new Uint32Array(names);
  const failed = new Uint32Array(names);
  const selfMs = new Float64Array(names);
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    const name = spans.name[row]!;
    counts[name]!++;
    if (spans.status[row] === RUNNING) running[name]!++;
    else {
      if (spans.status[row]! > WORST_OK) failed[name]!++;
      selfMs[name]! += own[at]!;
    }
  }
  const lasted = durationsByName(order, spans, counts);
  const table: NameRow[] = [];
  for (let name = 0; name < names; name++) {
    if (!counts[name]) continue;
    const ended = counts[name]! - running[name]!;
    const sorted = lasted.values.subarray(lasted.starts[name]!, lasted.starts[name]! + ended).sort();
    let totalMs = 0;
    for (const ms of sorted) totalMs += ms;
    table.push({
      name: spans.names[name]!,
      count: counts[name]!,
      running: running[name]!,
      failed: failed[name]!,
      totalMs,
      selfMs: selfMs[name]!,
      p50Ms: percentile(sorted, 50),
      p95Ms: percentile(sorted, 95),
      maxMs: ended ? sorted[ended - 1]! : NaN,
    });
  }
  return table.sort((one, other) => other.selfMs - one.selfMs || other.count - one.count);
}

function durationsByName(
  order: Order,
  spans: Spans,
  counts: Uint32Array,
): { values: Float64Array; starts: Uint32Array } {
  const starts = new Uint32Array(counts.length + 1);
  for (let name = 0; name < counts.length; name++) starts[name + 1] = starts[name]! + counts[name]!;
  const next = starts.slice();
  const values = new Float64Array(order.count);
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    if (spans.status[row] === RUNNING) continue;
    values[next[spans.name[row]!]!++] = spans.endAt(row, 0) - spans.start[row]!;
  }
  return { values, starts };
}

/** The smallest of the values, which are sorted, that so many percent of them do not pass; NaN where there is none. */
export function percentile(sorted: Float64Array, percent: number): number {
  if (!sorted.length) return NaN;
  return sorted[Math.ceil((percent * sorted.length) / 100) - 1]!;
}
