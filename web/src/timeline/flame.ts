/**
 * The flame view: spans that came about by the same way of names are one box, as wide as the time they took together.
 *
 * A box is at least as wide as those above it together: what ran side by side took more time than passed.
 */

import { type Order } from "./order.ts";
import { NONE, type Spans, WORST_OK } from "./spans.ts";

/** Boxes by number; a parent's number is below that of its children. */
export interface Flame {
  readonly names: Int32Array;
  readonly parents: Int32Array;
  readonly levels: Int32Array;
  readonly counts: Uint32Array;
  readonly failed: Uint32Array;
  readonly totalMs: Float64Array;
  readonly widthMs: Float64Array;
  readonly leftMs: Float64Array;
  /** The row of the one that took longest. */
  readonly slowest: Int32Array;
  readonly levelsInAll: number;
}

export function flameOf(order: Order, spans: Spans, nowMs: number): Flame {
  const boxOf = new Int32Array(order.count);
  const known = new Map<number, number>();
  const names: number[] = [];
  const parents: number[] = [];
  const levels: number[] = [];
  const counts: number[] = [];
  const failed: number[] = [];
  const totalMs: number[] = [];
  const slowest: number[] = [];
  const slowestMs: number[] = [];
  const nameCount = spans.names.length;
  for (let at = 0; at < order.count; at++) {
    const row = order.rows[at]!;
    const above = order.parents[at]! < 0 ? NONE : boxOf[order.parents[at]!]!;
    const key = (above + 1) * nameCount + spans.name[row]!;
    let box = known.get(key);
    if (box === undefined) {
      box = names.length;
      known.set(key, box);
      names.push(spans.name[row]!);
      parents.push(above);
      levels.push(above === NONE ? 0 : levels[above]! + 1);
      counts.push(0);
      failed.push(0);
      totalMs.push(0);
      slowest.push(row);
      slowestMs.push(-1);
    }
    boxOf[at] = box;
    const lasted = spans.endAt(row, nowMs) - spans.start[row]!;
    counts[box]!++;
    totalMs[box]! += lasted;
    if (spans.status[row]! > WORST_OK) failed[box]!++;
    if (lasted > slowestMs[box]!) [slowest[box], slowestMs[box]] = [row, lasted];
  }
  return {
    names: Int32Array.from(names),
    parents: Int32Array.from(parents),
    levels: Int32Array.from(levels),
    counts: Uint32Array.from(counts),
    failed: Uint32Array.from(failed),
    totalMs: Float64Array.from(totalMs),
    slowest: Int32Array.from(slowest),
    levelsInAll: levels.reduce((most, level) => Math.max(most, level + 1), 0),
    ...laidOut(parents, totalMs),
  };
}

function laidOut(parents: number[], totalMs: number[]): { widthMs: Float64Array; leftMs: Float64Array } {
  const count = parents.length;
  const widthMs = Float64Array.from(totalMs);
  const inside = new Float64Array(count);
  for (let box = count - 1; box >= 0; box--) {
    widthMs[box] = Math.max(totalMs[box]!, inside[box]!);
    if (parents[box] !== NONE) inside[parents[box]!]! += widthMs[box]!;
  }
  // The widest first, as left as there is room.
  const byWidth = Array.from({ length: count }, (_, box) => box);
  byWidth.sort((one, other) => widthMs[other]! - widthMs[one]! || one - other);
  const taken = new Float64Array(count);
  const offsets = new Float64Array(count);
  let takenByRoots = 0;
  for (const box of byWidth) {
    const parent = parents[box]!;
    if (parent === NONE) {
      offsets[box] = takenByRoots;
      takenByRoots += widthMs[box]!;
    } else {
      offsets[box] = taken[parent]!;
      taken[parent]! += widthMs[box]!;
    }
  }
  const leftMs = new Float64Array(count);
  for (let box = 0; box < count; box++) {
    leftMs[box] = offsets[box]! + (parents[box] === NONE ? 0 : leftMs[parents[box]!]!);
  }
  return { widthMs, leftMs };
}

/** The boxes that are worth drawing below one, or below all (NONE): those that are at least a pixel wide, `most` at most. */
export function boxesIn(flame: Flame, top: number, pixels: number, most = 20_000): Int32Array {
  const isBelow = new Uint8Array(flame.names.length);
  const roots = flame.parents.reduce(
    (sum, parent, box) => sum + (parent === NONE ? flame.widthMs[box]! : 0),
    0,
  );
  const least = (top === NONE ? roots : flame.widthMs[top]!) / Math.max(1, pixels);
  const found: number[] = [];
  for (let box = 0; box < flame.names.length && found.length < most; box++) {
    const parent = flame.parents[box]!;
    const isIn =
      top === NONE ? parent === NONE || isBelow[parent] : box === top || (parent !== NONE && isBelow[parent]);
    if (!isIn || flame.widthMs[box]! < least) continue;
    isBelow[box] = 1;
    found.push(box);
  }
  return Int32Array.from(found);
}
