// Two plays side by side: their spans by the path of names that leads to them. Spans that repeat at one place are one
// row with a count, so that a loop of a thousand steps is held against a loop of a thousand and one, whatever their
// order; a span whose parent is not there stands at the top.

/** What is looked at of a play: columns by row, as the timeline has them (timeline/spans.ts). */
export interface Side {
  readonly length: number;
  readonly parent: ArrayLike<number>;
  readonly name: ArrayLike<number>;
  readonly names: readonly string[];
  readonly start: ArrayLike<number>;
  /** NaN while it runs. */
  readonly end: ArrayLike<number>;
  readonly status: ArrayLike<number>;
  readonly errors: ReadonlyMap<number, string>;
}

export interface Sums {
  count: number;
  totalMs: number;
  /** Without what its children took. */
  selfMs: number;
  failed: number;
  /** The first error; "" where there is none. */
  error: string;
}

/** The spans of one path in both plays. */
export interface Place {
  name: string;
  depth: number;
  /** How many places there are below it. */
  below: number;
  a: Sums;
  b: Sums;
}

interface Node {
  name: string;
  parent: number;
  children: number[];
  a: Sums;
  b: Sums;
}

const UNKNOWN = 255;
const FIRST_FAILURE = 3;
const IN_WORK = -2;
const UNSEEN = -1;

/** All places of both plays, each before what is below it, in the order in which they first come. */
export function align(a: Side, b: Side): Place[] {
  const nodes: Node[] = [{ name: "", parent: 0, children: [], a: none(), b: none() }];
  const found = new Map<string, number>();
  put(nodes, found, a, "a");
  put(nodes, found, b, "b");
  return flattened(nodes);
}

function none(): Sums {
  return { count: 0, totalMs: 0, selfMs: 0, failed: 0, error: "" };
}

function put(nodes: Node[], found: Map<string, number>, side: Side, which: "a" | "b"): void {
  const places = placesOf(nodes, found, side);
  const lastMs = lastMoment(side);
  for (let row = 0; row < side.length; row++) {
    if (side.status[row] === UNKNOWN) continue;
    const node = nodes[places[row]!]!;
    const sums = node[which];
    const end = side.end[row]!;
    const tookMs = Math.max(0, (Number.isNaN(end) ? lastMs : end) - side.start[row]!);
    sums.count++;
    sums.totalMs += tookMs;
    sums.selfMs += tookMs;
    nodes[node.parent]![which].selfMs -= tookMs;
    if (side.status[row]! >= FIRST_FAILURE) {
      sums.failed++;
      sums.error ||= side.errors.get(row) ?? "";
    }
  }
}

/** The node of each row; a parent may come after its children, and those of a circle stand at the top. */
function placesOf(nodes: Node[], found: Map<string, number>, side: Side): Int32Array {
  const places = new Int32Array(side.length).fill(UNSEEN);
  const chain: number[] = [];
  for (let row = 0; row < side.length; row++) {
    if (side.status[row] === UNKNOWN) continue;
    let at = row;
    while (at >= 0 && at < side.length && places[at] === UNSEEN && side.status[at] !== UNKNOWN) {
      places[at] = IN_WORK;
      chain.push(at);
      at = side.parent[at]!;
    }
    let above = at >= 0 && at < side.length && places[at]! > 0 ? places[at]! : 0;
    while (chain.length) {
      const next = chain.pop()!;
      above = places[next] = below(nodes, found, above, side.names[side.name[next]!]!);
    }
  }
  return places;
}

function below(nodes: Node[], found: Map<string, number>, parent: number, name: string): number {
  const key = `${parent} ${name}`;
  let place = found.get(key);
  if (place === undefined) {
    place = nodes.length;
    nodes.push({ name, parent, children: [], a: none(), b: none() });
    nodes[parent]!.children.push(place);
    found.set(key, place);
  }
  return place;
}

function lastMoment(side: Side): number {
  let last = 0;
  for (let row = 0; row < side.length; row++) {
    if (side.status[row] === UNKNOWN) continue;
    last = Math.max(last, side.start[row]!, Number.isNaN(side.end[row]!) ? 0 : side.end[row]!);
  }
  return last;
}

function flattened(nodes: Node[]): Place[] {
  const places: Place[] = [];
  const open: { place: Place; at: number }[] = [];
  const waiting = [...nodes[0]!.children].reverse().map((node) => ({ node, depth: 0 }));
  while (waiting.length) {
    const { node, depth } = waiting.pop()!;
    while (open.length && open[open.length - 1]!.place.depth >= depth) close(open, places.length);
    const { name, children, a, b } = nodes[node]!;
    // What runs beside each other takes more than its parent: there is no less than nothing.
    a.selfMs = Math.max(0, a.selfMs);
    b.selfMs = Math.max(0, b.selfMs);
    const place = { name, depth, below: 0, a, b };
    open.push({ place, at: places.length });
    places.push(place);
    for (let child = children.length - 1; child >= 0; child--)
      waiting.push({ node: children[child]!, depth: depth + 1 });
  }
  while (open.length) close(open, places.length);
  return places;
}

function close(open: { place: Place; at: number }[], length: number): void {
  const { place, at } = open.pop()!;
  place.below = length - at - 1;
}

export type Change = "slower" | "faster" | "new" | "gone" | "failed" | "mended";

const LEAST_MS = 1;
const LEAST_SHARE = 0.1;

/** What became of a place from the one play to the other. */
export function changesOf({ a, b }: Place): Change[] {
  const changes: Change[] = [];
  if (b.failed && !a.failed) changes.push("failed");
  if (a.failed && !b.failed && b.count) changes.push("mended");
  if (!a.count) changes.push("new");
  else if (!b.count) changes.push("gone");
  else {
    const byMs = b.totalMs - a.totalMs;
    if (Math.abs(byMs) >= Math.max(LEAST_MS, LEAST_SHARE * a.totalMs))
      changes.push(byMs > 0 ? "slower" : "faster");
  }
  return changes;
}

/** The places that are worth sending: those that changed most, and all above them; in their order. */
export function mostChanged(places: readonly Place[], most: number): Place[] {
  if (places.length <= most) return [...places];
  const weight = ({ a, b }: Place) => Math.abs(b.totalMs - a.totalMs) + (a.failed || b.failed ? 1e12 : 0);
  const order = places.map((_, at) => at).sort((x, y) => weight(places[y]!) - weight(places[x]!));
  const parents = parentsOf(places);
  const kept = new Set<number>();
  for (const at of order) {
    if (kept.size >= most) break;
    for (let up = at; up >= 0 && !kept.has(up); up = parents[up]!) kept.add(up);
  }
  const sorted = [...kept].sort((x, y) => x - y);
  return sorted.map((at, index) => {
    const end = at + places[at]!.below;
    let last = index;
    while (last + 1 < sorted.length && sorted[last + 1]! <= end) last++;
    return { ...places[at]!, below: last - index };
  });
}

function parentsOf(places: readonly Place[]): Int32Array {
  const parents = new Int32Array(places.length);
  const path: number[] = [];
  places.forEach(({ depth }, at) => {
    path.length = depth;
    parents[at] = depth ? path[depth - 1]! : -1;
    path.push(at);
  });
  return parents;
}
