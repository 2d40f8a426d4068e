/** Which rows a person sees: what is folded is left out, what is many of one name is one row. */

import { type Group, type Order } from "./order.ts";

/** The row that stands above the orphans; groups are below it: `FIRST_GROUP - index`. */
export const ORPHANS = -1;
const FIRST_GROUP = -2;

export type GroupState = "closed" | "brief" | "open";

/** What a person has folded and unfolded; all else is as `depth` says. */
export class Folding {
  /** Levels that are open by themselves. */
  depth = Infinity;
  areOrphansOpen = true;
  #spans = new Map<number, boolean>();
  #groups = new Map<string, GroupState>();
  /** Rows that are shown though their group is not open: a person went to them. */
  #pins = new Map<string, Set<number>>();

  isOpen(row: number, level: number): boolean {
    return this.#spans.get(row) ?? level <= this.depth;
  }

  setOpen(row: number, isOpen: boolean): void {
    this.#spans.set(row, isOpen);
  }

  stateOf(group: Group): GroupState {
    return this.#groups.get(group.key) ?? "brief";
  }

  setState(group: Group, state: GroupState): void {
    this.#groups.set(group.key, state);
    if (state === "closed") this.#pins.delete(group.key);
  }

  pin(group: Group, row: number): void {
    const pins = this.#pins.get(group.key);
    if (pins) pins.add(row);
    else this.#pins.set(group.key, new Set([row]));
    if (this.stateOf(group) === "closed") this.#groups.set(group.key, "brief");
  }

  /** The rows of a group that are shown where it is brief. */
  shownOf(group: Group): readonly number[] {
    const pins = this.#pins.get(group.key);
    return pins ? [...new Set([...group.shown, ...pins])] : group.shown;
  }

  /** Open all, or only so many levels. */
  reset(depth: number, state: GroupState, groups: readonly Group[]): void {
    this.depth = depth;
    this.#spans.clear();
    this.#groups.clear();
    this.#pins.clear();
    if (state !== "brief") for (const group of groups) this.#groups.set(group.key, state);
  }
}

/** The group of a code of `visibleRows`; null where it is a position or stands for the orphans. */
export function groupOfCode(order: Order, code: number): Group | null {
  return code <= FIRST_GROUP ? order.groups[FIRST_GROUP - code]! : null;
}

export function codeOfGroup(index: number): number {
  return FIRST_GROUP - index;
}

/** What is left to be walked: positions up to `to`, then the stretches that wait. */
interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** The rows that are seen, from the first to the last: a position, ORPHANS, or the code of a group. */
export function visibleRows(order: Order, folding: Folding): Int32Array {
  let codes = new Int32Array(1024);
  let count = 0;
  const emit = (code: number): void => {
    if (count === codes.length) {
      const larger = new Int32Array(codes.length * 2);
      larger.set(codes);
      codes = larger;
    }
    codes[count++] = code;
  };
  const indexes = new Map(order.groups.map((group, index) => [group, index]));
  const walk = (all: Stretch): void => {
    const waiting: Stretch[] = [all];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      let at = next.from;
      // A stretch that begins with a member of a group that was emitted already is told so by `entered`.
      let entered = entries.get(next) ?? null;
      while (at < next.to) {
        const group = order.groupAt.get(at);
        if (group && group !== entered) {
          emit(codeOfGroup(indexes.get(group)!));
          const state = folding.stateOf(group);
          if (state === "open") {
            entered = group;
            continue;
          }
          waiting.push({ from: group.to, to: next.to });
          if (state === "brief") pushShown(waiting, group);
          break;
        }
        emit(at);
        at = folding.isOpen(order.rows[at]!, order.levels[at]!) ? at + 1 : order.endOf(at);
      }
    }
  };
  const entries = new Map<Stretch, Group>();
  const pushShown = (waiting: Stretch[], group: Group): void => {
    const positions = folding.shownOf(group).map((row) => order.positionOf(row));
    positions.sort((one, other) => other - one);
    for (const from of positions) {
      if (from < group.from || from >= group.to) continue;
      const stretch = { from, to: order.endOf(from) };
      entries.set(stretch, group);
      waiting.push(stretch);
    }
  };
  walk({ from: 0, to: order.orphansFrom });
  if (order.orphansFrom < order.count) {
    emit(ORPHANS);
    if (folding.areOrphansOpen) walk({ from: order.orphansFrom, to: order.count });
  }
  return codes.slice(0, count);
}

/** Unfold whatever hides a position. */
export function reveal(order: Order, folding: Folding, position: number): void {
  if (position >= order.orphansFrom) folding.areOrphansOpen = true;
  for (let at = position; at >= 0; at = order.parents[at]!) {
    const group = order.groupOf(at);
    if (group && folding.stateOf(group) !== "open") folding.pin(group, order.rows[at]!);
    const above = order.parents[at]!;
    if (above >= 0 && !folding.isOpen(order.rows[above]!, order.levels[above]!)) {
      folding.setOpen(order.rows[above]!, true);
    }
  }
}
