/**
 * The critical path: what a play's time went by waiting for, from its end back to its start.
 *
 * From the end of a span back: the child that ended last before that moment was waited for; from its start on back the
 * next one, and so on; what lies between is the span's own time. A child that still ran when a later one began was not
 * what that one waited for. While a play runs, what runs ends now: the path then ends at what is waited for.
 */

import type { Order } from "./order.ts";
import { NONE, type Spans } from "./spans.ts";

const MOST_NAMES = 5;

/** Stretches of time, the latest first: in each the path is in that row. */
export interface Path {
  readonly rows: Int32Array;
  readonly from: Float64Array;
  readonly to: Float64Array;
}

interface Step {
  readonly position: number;
  /** Its own end, or where the path left it for what came after: later ends are cut to that. */
  readonly limitMs: number;
  readonly sinceMs: number;
  /** From here on the path is known. */
  untilMs: number;
  children: readonly number[] | null;
  next: number;
}

export function criticalPath(order: Order, spans: Spans, nowMs: number): Path {
  const rows: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  const own = (position: number, fromMs: number, toMs: number): void => {
    if (position === NONE || toMs <= fromMs) return;
    rows.push(order.rows[position]!);
    from.push(fromMs);
    to.push(toMs);
  };
  const endOf = (position: number): number => spans.endAt(order.rows[position]!, nowMs);
  const startOf = (position: number): number => spans.start[order.rows[position]!]!;
  const stack: Step[] = [step(NONE, -Infinity, Infinity)];
  while (stack.length) {
    const top = stack[stack.length - 1]!;
    top.children ??= latestFirst(
      order,
      top.position,
      (child) => Math.min(endOf(child), top.limitMs),
      startOf,
    );
    const child = top.children[top.next++];
    if (child === undefined) {
      own(top.position, top.sinceMs, top.untilMs);
      stack.pop();
      continue;
    }
    const endMs = Math.min(endOf(child), top.limitMs);
    const startMs = Math.max(startOf(child), top.sinceMs);
    // It still ran when what came later began, or took no time: nothing waited for it.
    if (endMs > top.untilMs || endMs <= startMs) continue;
    own(top.position, endMs, top.untilMs);
    top.untilMs = startMs;
    stack.push(step(child, startMs, endMs));
  }
  return { rows: Int32Array.from(rows), from: Float64Array.from(from), to: Float64Array.from(to) };
}

function step(position: number, sinceMs: number, untilMs: number): Step {
  return { position, limitMs: untilMs, sinceMs, untilMs, children: null, next: 0 };
}

/** The children of a position, the one that ended last first; of those that ended together the one that began first. */
function latestFirst(
  order: Order,
  position: number,
  endOf: (position: number) => number,
  startOf: (position: number) => number,
): number[] {
  const end = position === NONE ? order.count : order.endOf(position);
  const children: number[] = [];
  for (let at = position + 1; at < end; at = order.endOf(at)) children.push(at);
  return children.sort((one, other) => endOf(other) - endOf(one) || startOf(one) - startOf(other));
}

/** The path of a play, asked for by rows and by stretches of the order: a folded row has what is in it. */
export class PathIndex {
  /** In the order of time, the earliest first. */
  private readonly positions: Int32Array;
  private readonly from: Float64Array;
  private readonly to: Float64Array;
  /** By position: how many stretches of the path are before it. */
  private readonly before: Int32Array;

  /** Names on it with the most time in it, the most first. */
  readonly names: readonly { readonly name: string; readonly ms: number }[];
  private readonly byRow = new Map<number, number[]>();

  constructor(path: Path, order: Order, spans: Spans) {
    const byName = new Map<string, number>();
    for (let at = 0; at < path.rows.length; at++) {
      const row = path.rows[at]!;
      const [from, to] = [path.from[at]!, path.to[at]!];
      const known = this.byRow.get(row);
      if (known) known.push(from, to);
      else this.byRow.set(row, [from, to]);
      const name = spans.names[spans.name[row]!]!;
      byName.set(name, (byName.get(name) ?? 0) + to - from);
    }
    this.names = [...byName]
      .map(([name, ms]) => ({ name, ms }))
      .sort((one, other) => other.ms - one.ms)
      .slice(0, MOST_NAMES);
    this.positions = path.rows.map((row) => order.positionOf(row)).reverse();
    this.from = path.from.slice().reverse();
    this.to = path.to.slice().reverse();
    this.before = new Int32Array(order.count + 1);
    for (const position of this.positions) this.before[position + 1]!++;
    for (let at = 0; at < order.count; at++) this.before[at + 1]! += this.before[at]!;
  }

  /** Pairs from and to: where it is in a row itself. */
  of(row: number): readonly number[] | undefined {
    return this.byRow.get(row);
  }

  /** Whether the path is in any of the positions from `from` to `to`. */
  isIn(from: number, to: number): boolean {
    return this.before[to]! > this.before[from]!;
  }

  /** Pairs from and to: where it is in them between two times, to the pixel. Costs by pixels where there is more. */
  pairs(from: number, to: number, fromMs: number, toMs: number, pixels: number): number[] {
    if (!this.isIn(from, to)) return [];
    const first = this.after(fromMs);
    const end = Math.min(this.positions.length, this.after(toMs) + 1);
    const pixelMs = (toMs - fromMs) / pixels;
    const found: number[] = [];
    const take = (at: number, startMs: number, endMs: number): void => {
      if (this.positions[at]! < from || this.positions[at]! >= to) return;
      const last = found.length - 1;
      if (last > 0 && startMs - found[last]! < pixelMs) found[last] = endMs;
      else found.push(startMs, endMs);
    };
    if (end - first <= pixels) {
      for (let at = first; at < end; at++) take(at, this.from[at]!, this.to[at]!);
      return found;
    }
    for (let pixel = 0; pixel < pixels; pixel++) {
      const startMs = fromMs + pixel * pixelMs;
      const at = this.after(startMs + pixelMs / 2);
      if (at < end && this.from[at]! <= startMs + pixelMs) take(at, startMs, startMs + pixelMs);
    }
    return found;
  }

  /** The first stretch that ends after a time. */
  private after(ms: number): number {
    let low = 0;
    let high = this.to.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.to[middle]! <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
