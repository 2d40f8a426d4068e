import { expect, test } from "vitest";
import { align, changesOf, mostChanged, type Place, type Side } from "./align.ts";

interface Row {
  name: string;
  parent: number;
  start: number;
  end: number;
  status?: number;
  error?: string;
}

function side(rows: readonly Row[]): Side {
  const names = [...new Set(rows.map(({ name }) => name))];
  return {
    length: rows.length,
    parent: rows.map(({ parent }) => parent),
    name: rows.map(({ name }) => names.indexOf(name)),
    names,
    start: rows.map(({ start }) => start),
    end: rows.map(({ end }) => end),
    status: rows.map(({ status }) => status ?? 1),
    errors: new Map(rows.flatMap(({ error }, row) => (error ? [[row, error] as const] : []))),
  };
}

/** The obvious way: the path of each row as a text, and sums under it. */
function slowly(rows: readonly Row[]): Map<string, { count: number; totalMs: number; failed: number }> {
  const sums = new Map<string, { count: number; totalMs: number; failed: number }>();
  const known = rows.filter(({ status }) => status !== 255);
  const moments = known.flatMap(({ start, end }) => [start, Number.isNaN(end) ? start : end]);
  const last = Math.max(0, ...moments);
  for (const row of rows) {
    if (row.status === 255) continue;
    const path: string[] = [];
    for (let at: Row | undefined = row; at && at.status !== 255; at = rows[at.parent]) path.unshift(at.name);
    const key = path.join("/");
    const of = sums.get(key) ?? { count: 0, totalMs: 0, failed: 0 };
    of.count++;
    of.totalMs += Math.max(0, (Number.isNaN(row.end) ? last : row.end) - row.start);
    if ((row.status ?? 1) >= 3) of.failed++;
    sums.set(key, of);
  }
  return sums;
}

function paths(places: readonly Place[], which: "a" | "b") {
  const path: string[] = [];
  const found = new Map<string, { count: number; totalMs: number; failed: number }>();
  for (const place of places) {
    path.length = place.depth;
    path.push(place.name);
    const { count, totalMs, failed } = place[which];
    if (count) found.set(path.join("/"), { count, totalMs, failed });
  }
  return found;
}

/** Numbers that look random and are the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

function anyPlay(next: (below: number) => number): Row[] {
  return Array.from({ length: next(60) }, (_, row) => {
    // Parents before or after, none, and some that are not there.
    const parent = row && next(4) ? next(row) : next(2) ? -1 : -2;
    const start = next(1000);
    const status = [0, 1, 1, 1, 3, 4, 255][next(7)]!;
    return { name: `n${next(4)}`, parent, start, end: status ? start + next(50) : NaN, status };
  });
}

test("sums by path are those of the obvious way, for any two plays", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = numbers(seed);
    const [a, b] = [anyPlay(next), anyPlay(next)];
    const places = align(side(a), side(b));
    expect(paths(places, "a")).toEqual(slowly(a));
    expect(paths(places, "b")).toEqual(slowly(b));
  }
});

test("what is below a place follows it", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const next = numbers(seed);
    const places = align(side(anyPlay(next)), side(anyPlay(next)));
    places.forEach(({ depth, below }, at) => {
      const later = places.slice(at + 1).findIndex((other) => other.depth <= depth);
      expect(below).toBe(later < 0 ? places.length - at - 1 : later);
    });
  }
});

test("parents that go round in a circle stand at the top", () => {
  const rows = [
    { name: "x", parent: 1, start: 0, end: 1 },
    { name: "y", parent: 0, start: 0, end: 1 },
  ];
  expect(align(side(rows), side([])).reduce((sum, { a }) => sum + a.count, 0)).toBe(2);
});

test("self time is without the children, and never below nothing", () => {
  const rows = [
    { name: "root", parent: -1, start: 0, end: 10 },
    { name: "half", parent: 0, start: 0, end: 4 },
    { name: "half", parent: 0, start: 4, end: 7 },
    { name: "beside", parent: 1, start: 0, end: 90 },
  ];
  const ownTimes = align(side(rows), side([])).map(({ name, a }) => [name, a.selfMs]);
  expect(ownTimes).toEqual([
    ["root", 3],
    ["half", 0],
    ["beside", 90],
  ]);
});

test("each change has its word", () => {
  const one = (totalMs: number, count = 1, failed = 0) => ({ count, totalMs, selfMs: 0, failed, error: "" });
  const of = (a: ReturnType<typeof one>, b: ReturnType<typeof one>) =>
    changesOf({ name: "", depth: 0, below: 0, a, b });
  expect(of(one(100), one(105))).toEqual([]);
  expect(of(one(100), one(120))).toEqual(["slower"]);
  expect(of(one(100), one(80))).toEqual(["faster"]);
  expect(of(one(0.1), one(0.9))).toEqual([]);
  expect(of(one(0, 0), one(5))).toEqual(["new"]);
  expect(of(one(5), one(0, 0))).toEqual(["gone"]);
  expect(of(one(5), one(5, 1, 1))).toEqual(["failed"]);
  expect(of(one(5, 1, 1), one(5))).toEqual(["mended"]);
});

test("of too many places those that changed most are kept, with all above them", () => {
  const rows: Row[] = [{ name: "root", parent: -1, start: 0, end: 1 }];
  for (let at = 0; at < 50; at++) {
    rows.push({ name: `step ${at}`, parent: 0, start: 0, end: at });
    rows.push({ name: "inner", parent: rows.length - 1, start: 0, end: at / 2 });
  }
  const all = align(side(rows), side([]));
  const kept = mostChanged(all, 5);
  expect(kept.map(({ name }) => name)).toEqual(["root", "step 46", "step 47", "step 48", "step 49"]);
  expect(kept[0]!.below).toBe(4);
  expect(kept[1]!.below).toBe(0);
  expect(mostChanged(all, 500)).toEqual(all);
});
