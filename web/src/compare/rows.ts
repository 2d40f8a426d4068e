// Which rows there are, and where: a place is a line, and a line more for each error that it has.

import { changesOf, type Change, type Place } from "./align.ts";

const MOST_OF_AN_ERROR = 300;

export interface Failure {
  /** Whose it is: "A", "B", or "A, B" where both say the same. */
  whose: string;
  /** Its first line. */
  text: string;
}

export interface Row {
  at: number;
  place: Place;
  changes: Change[];
  failures: Failure[];
}

export /** The rows in their order: what is folded is left out; of one kind of change, the greatest first. */
function rowsOf(places: readonly Place[], wanted: Change | "", folded: ReadonlySet<number>): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < places.length; at++) {
    const place = places[at]!;
    const changes = changesOf(place);
    if (!wanted) {
      rows.push({ at, place, changes, failures: failuresOf(place) });
      if (folded.has(at)) at += place.below;
    } else if (changes.includes(wanted)) rows.push({ at, place, changes, failures: failuresOf(place) });
  }
  const byMs = ({ place: { a, b } }: Row) => Math.abs(b.totalMs - a.totalMs);
  return wanted ? rows.sort((x, y) => byMs(y) - byMs(x)) : rows;
}

/** The errors of a place: those of both plays, and once what both say. */
export function failuresOf({ a, b }: Place): Failure[] {
  const [ofA, ofB] = [firstLine(a.error), firstLine(b.error)];
  if (ofA && ofA === ofB) return [{ whose: "A, B", text: ofA }];
  return [
    { whose: "A", text: ofA },
    { whose: "B", text: ofB },
  ].filter(({ text }) => text);
}

export function firstLine(text: string): string {
  return text.slice(0, MOST_OF_AN_ERROR).split("\n", 1)[0]!;
}

/** Where each row begins, and at the end where all of them end. */
export function topsOf(rows: readonly Row[], rowPx: number, linePx: number): Float64Array {
  const tops = new Float64Array(rows.length + 1);
  rows.forEach(({ failures }, at) => (tops[at + 1] = tops[at]! + rowPx + failures.length * linePx));
  return tops;
}

/** The row at a height; the last one below all of them. */
export function rowAt(tops: Float64Array, px: number): number {
  let low = 0;
  let high = Math.max(0, tops.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops[middle]! <= px) low = middle;
    else high = middle - 1;
  }
  return low;
}
