/**
 * The tree as an order: each span at a position, its descendants right after it, all in typed arrays.
 *
 * A subtree is a stretch of positions, and so is a group of siblings of one name: what is asked of either (how many
 * failed, what to draw where it is folded) is asked of a stretch. The order is made anew when spans have come; that
 * takes some tens of milliseconds of the worker for a million of them, and no span costs an object.
 */

import { NONE, RUNNING, type Spans, UNKNOWN, WORST_OK } from "./spans.ts";

/** So many siblings of one name are drawn as one row. */
export const GROUP_MIN = 25;
const SHOWN_OF_EACH = 3;

export interface Group {
  /** Stays the same while spans come: the row of the parent and the name. */
  readonly key: string;
  readonly name: number;
  /** The positions from `from` to `to` are the members and what is below them. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly level: number;
  readonly parentPos: number;
  /** Of the members themselves, not of what is below them. */
  readonly failed: number;
  readonly running: number;
  readonly totalMs: number;
  /** The row of the one that took longest of those that ended; NONE where none has. */
  readonly slowest: number;
  /** The rows that are shown where it is not open: the first that failed, the last that run, the slowest. */
  readonly shown: readonly number[];
}

export class Order {
  count = 0;
  /** By position: its row, where its parent is (NONE: a root), how many it is with its descendants, 1 for a root. */
  readonly rows: Int32Array;
  readonly parents: Int32Array;
  readonly sizes: Int32Array;
  readonly levels: Int32Array;
  /** By row: its position; NONE where it has not come. */
  readonly positions: Int32Array;
  /** From here on are the orphans. */
  readonly orphansFrom: number;
  readonly groups: readonly Group[];
  /** By position of its first member. */
  readonly groupAt: ReadonlyMap<number, Group>;
  readonly #groupByKey: ReadonlyMap<string, Group>;
  readonly #failedBefore: Int32Array;
  readonly #runningBefore: Int32Array;

  constructor(private readonly spans: Spans) {
    const { length } = spans;
    this.positions = new Int32Array(length).fill(NONE);
    this.rows = new Int32Array(spans.count);
    this.parents = new Int32Array(spans.count);
    this.sizes = new Int32Array(spans.count);
    this.levels = new Int32Array(spans.count);
    const children = childrenOf(spans);
    const isGrouped = groupSiblings(spans, children);
    this.#place(children, isGrouped, length, 1);
    this.orphansFrom = this.count;
    this.#place(children, isGrouped, length + 1, 2);
    this.#placeCircles(children, isGrouped);
    this.#failedBefore = new Int32Array(this.count + 1);
    this.#runningBefore = new Int32Array(this.count + 1);
    this.#total();
    this.groups = this.#collect(isGrouped);
    this.groupAt = new Map(this.groups.map((group) => [group.from, group]));
    this.#groupByKey = new Map(this.groups.map((group) => [group.key, group]));
  }

  /** Where a row is; NONE where it has not come. */
  positionOf(row: number): number {
    return row >= 0 && row < this.positions.length ? this.positions[row]! : NONE;
  }

  /** One past the last descendant. */
  endOf(position: number): number {
    return position + this.sizes[position]!;
  }

  /** How many of a stretch did not end ok. */
  failedIn(from: number, to: number): number {
    return this.#failedBefore[to]! - this.#failedBefore[from]!;
  }

  runningIn(from: number, to: number): number {
    return this.#runningBefore[to]! - this.#runningBefore[from]!;
  }

  /** The group that a position is a member of. */
  groupOf(position: number): Group | null {
    const name = this.spans.name[this.rows[position]!]!;
    return this.#groupByKey.get(this.#keyOf(position, name)) ?? null;
  }

  #keyOf(position: number, name: number): string {
    const above = this.parents[position]!;
    if (above >= 0) return `${this.rows[above]!}/${name}`;
    return position >= this.orphansFrom ? `orphans/${name}` : `/${name}`;
  }

  /** All below one list of children, depth first. */
  #place(children: Children, isGrouped: Uint8Array, list: number, level: number): void {
    let stack = new Int32Array(1024);
    let height = 0;
    const push = (from: number): void => {
      const begin = children.starts[from]!;
      const end = children.starts[from + 1]!;
      while (height + end - begin > stack.length) {
        const larger = new Int32Array(stack.length * 2);
        larger.set(stack);
        stack = larger;
      }
      for (let at = end - 1; at >= begin; at--) stack[height++] = children.list[at]!;
    };
    push(list);
    this.#walk(children, isGrouped, level, (): number => (height ? stack[--height]! : NONE), push);
  }

  #walk(
    children: Children,
    isGrouped: Uint8Array,
    level: number,
    pop: () => number,
    push: (row: number) => void,
  ): void {
    const { parent } = this.spans;
    let count = this.count;
    for (let row = pop(); row !== NONE; row = pop()) {
      if (this.positions[row] !== NONE) continue;
      const above = parent[row]! >= 0 ? this.positions[parent[row]!]! : NONE;
      this.positions[row] = count;
      this.rows[count] = row;
      this.parents[count] = above;
      this.levels[count] = (above === NONE ? level : this.levels[above]! + 1) + isGrouped[row]!;
      count++;
      if (children.starts[row + 1]! > children.starts[row]!) push(row);
    }
    this.count = count;
  }

  /** Spans that are, by what they say, below themselves: each is an orphan with what hangs on it. */
  #placeCircles(children: Children, isGrouped: Uint8Array): void {
    if (this.count === this.spans.count) return;
    for (let row = 0; row < this.spans.length; row++) {
      if (!this.spans.has(row) || this.positions[row] !== NONE) continue;
      const stack = [row];
      this.#walk(
        children,
        isGrouped,
        2,
        () => stack.pop() ?? NONE,
        (from) => {
          for (let at = children.starts[from + 1]! - 1; at >= children.starts[from]!; at--) {
            stack.push(children.list[at]!);
          }
        },
      );
    }
  }

  #total(): void {
    const { count, sizes, parents, rows } = this;
    const { status } = this.spans;
    sizes.fill(1);
    for (let at = count - 1; at >= 0; at--) if (parents[at]! >= 0) sizes[parents[at]!]! += sizes[at]!;
    for (let at = 0; at < count; at++) {
      const one = status[rows[at]!]!;
      this.#failedBefore[at + 1] = this.#failedBefore[at]! + (one > WORST_OK ? 1 : 0);
      this.#runningBefore[at + 1] = this.#runningBefore[at]! + (one === RUNNING ? 1 : 0);
    }
  }

  #collect(isGrouped: Uint8Array): Group[] {
    const groups: Group[] = [];
    for (let at = 0; at < this.count; at++) {
      const row = this.rows[at]!;
      if (!isGrouped[row]) continue;
      const before = at > 0 ? this.#previousSibling(at) : NONE;
      if (before !== NONE && isGrouped[before] && this.spans.name[before] === this.spans.name[row]) continue;
      groups.push(this.#group(at));
    }
    return groups;
  }

  /** The row of the sibling just before a position; NONE where it is the first. */
  #previousSibling(position: number): number {
    let at = position - 1;
    const parent = this.parents[position]!;
    if (at === parent || (parent === NONE && position === this.orphansFrom)) return NONE;
    // The one before is a descendant of that sibling: the siblings' sizes are not known from behind, so climb.
    while (this.parents[at] !== parent) at = this.parents[at]!;
    return this.rows[at]!;
  }

  #group(from: number): Group {
    const { spans, rows } = this;
    const name = spans.name[rows[from]!]!;
    const parentPos = this.parents[from]!;
    const failedRows: number[] = [];
    const runningRows: number[] = [];
    let [count, failed, running, totalMs, slowest, slowestMs] = [0, 0, 0, 0, NONE, -1];
    let at = from;
    const end =
      parentPos === NONE ? (from < this.orphansFrom ? this.orphansFrom : this.count) : this.endOf(parentPos);
    for (; at < end && spans.name[rows[at]!] === name; at = this.endOf(at)) {
      const row = rows[at]!;
      count++;
      if (spans.status[row] === RUNNING) {
        running++;
        runningRows.push(row);
        if (runningRows.length > SHOWN_OF_EACH) runningRows.shift();
        continue;
      }
      const lasted = spans.endAt(row, 0) - spans.start[row]!;
      totalMs += lasted;
      if (lasted > slowestMs) [slowest, slowestMs] = [row, lasted];
      if (spans.status[row]! > WORST_OK && ++failed <= SHOWN_OF_EACH) failedRows.push(row);
    }
    const shown = [...new Set([...failedRows, ...runningRows, ...(slowest === NONE ? [] : [slowest])])];
    const key = this.#keyOf(from, name);
    const level = this.levels[from]! - 1;
    return { key, name, from, to: at, count, level, parentPos, failed, running, totalMs, slowest, shown };
  }
}

interface Children {
  /** The children of row r are those from starts[r] to starts[r + 1]; row `length` has the roots, `length + 1` orphans. */
  readonly starts: Int32Array;
  readonly list: Int32Array;
}

function childrenOf(spans: Spans): Children {
  const { length, parent, status } = spans;
  const starts = new Int32Array(length + 3);
  const slot = (row: number): number =>
    parent[row]! >= 0 ? parent[row]! : parent[row] === NONE ? length : length + 1;
  for (let row = 0; row < length; row++) if (status[row] !== UNKNOWN) starts[slot(row) + 1]!++;
  for (let at = 0; at < length + 2; at++) starts[at + 1]! += starts[at]!;
  const next = starts.slice();
  const list = new Int32Array(starts[length + 2]!);
  for (let row = 0; row < length; row++) if (status[row] !== UNKNOWN) list[next[slot(row)]!++] = row;
  return { starts, list };
}

/** Put siblings of one name side by side where they are many, where the first of them is; 1 for each such row. */
function groupSiblings(spans: Spans, { starts, list }: Children): Uint8Array {
  const isGrouped = new Uint8Array(spans.length);
  const counts = new Int32Array(spans.names.length);
  for (let owner = 0; owner < starts.length - 1; owner++) {
    const from = starts[owner]!;
    const to = starts[owner + 1]!;
    if (to - from < GROUP_MIN) continue;
    for (let at = from; at < to; at++) counts[spans.name[list[at]!]!]!++;
    arrange(spans, list.subarray(from, to), counts, isGrouped);
    for (let at = from; at < to; at++) counts[spans.name[list[at]!]!] = 0;
  }
  return isGrouped;
}

function arrange(spans: Spans, siblings: Int32Array, counts: Int32Array, isGrouped: Uint8Array): void {
  const next = new Map<number, number>();
  const before = siblings.slice();
  let place = 0;
  for (const row of before) {
    const name = spans.name[row]!;
    if (counts[name]! < GROUP_MIN) {
      siblings[place++] = row;
      continue;
    }
    isGrouped[row] = 1;
    const at = next.get(name) ?? place;
    if (at === place && !next.has(name)) place += counts[name]!;
    siblings[at] = row;
    next.set(name, at + 1);
  }
}
