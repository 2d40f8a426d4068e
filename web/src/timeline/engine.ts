/** A play in memory, and what is asked of it. No worker, no clock and no network: worker.ts has those. */

import type { PathIndex } from "./critical.ts";
import { densityOf, Detail, type Density } from "./detail.ts";
import type { Failures } from "./failures.ts";
import { nextMatch } from "./find.ts";
import type {
  FailureAsk,
  FoldAsk,
  Folded,
  GoAsk,
  GroupView,
  Place,
  RowKey,
  RowView,
  SpanFacts,
  Totals,
  View,
  ViewAsk,
} from "./messages.ts";
import { isFailureAsk, ORPHANS_KEY } from "./messages.ts";
import { type Group, Order } from "./order.ts";
import { isEmpty, type Query, readQuery } from "./query.ts";
import { codeOfGroup, Folding, groupOfCode, ORPHANS, reveal, visibleRows } from "./rows.ts";
import { NONE, RUNNING, Spans } from "./spans.ts";

/** A play of more spans is shown folded at first. */
export const FOLDED_FROM = 5000;
const OPEN_LEVELS = 1;
const NOWHERE: Place = { key: "", row: NONE, index: NONE, startMs: NaN, endMs: NaN };
const NO_PATH: readonly number[] = [];

/** What is loaded when it is first asked for; whoever asks has put it here. */
export interface Parts {
  failures?: typeof import("./failures.ts");
  critical?: typeof import("./critical.ts");
  facts?: typeof import("./facts.ts");
  matches?: typeof import("./matches.ts");
}

export class Engine {
  readonly spans = new Spans();
  readonly folding = new Folding();
  order = new Order(this.spans);
  isLoaded = false;
  #detail = new Detail(this.order, this.spans);
  #failures: Failures | null = null;
  #playError = "";
  #codes = new Int32Array(0);
  #version = 0;
  #builtVersion = -1;
  #query: Query = readQuery("");
  #others: ReadonlySet<number> = new Set();
  #matches = new Int32Array(0);
  #isMatch = new Uint8Array(0);
  #pathNowMs: number | null = null;
  #path: PathIndex | null = null;

  constructor(private readonly parts: Parts = {}) {}

  /** Say how large the play is before it comes: a large one is folded. */
  expect(count: number): void {
    if (count > FOLDED_FROM) this.folding.depth = OPEN_LEVELS;
  }

  /** Put what has come in order; whether anything had. */
  refresh(nowMs: number): boolean {
    if (this.#builtVersion === this.spans.version) return false;
    this.#builtVersion = this.spans.version;
    this.order = new Order(this.spans);
    this.#detail = new Detail(this.order, this.spans);
    this.#failures = null;
    this.#search();
    if (this.#pathNowMs !== null) this.#trace(nowMs);
    this.#lay();
    return true;
  }

  totals(): Totals {
    const { spans, order } = this;
    return {
      version: this.#version,
      count: spans.count,
      failed: spans.failed,
      running: spans.running,
      orphans: order.count - order.orphansFrom,
      rows: this.#codes.length,
      minMs: spans.minMs,
      maxMs: spans.maxMs,
      isLoaded: this.isLoaded,
      matches: this.#matches.length,
      pathNames: this.#path?.names ?? [],
    };
  }

  view(ask: ViewAsk): View {
    const total = this.#codes.length;
    let shift = 0;
    if (ask.anchor && (ask.first >= total || this.#keyOf(this.#codes[ask.first]!) !== ask.anchor)) {
      const index = this.#indexOf(ask.anchor);
      if (index !== NONE) shift = index - ask.first;
    }
    const first = Math.max(0, Math.min(ask.first + shift, Math.max(0, total - 1)));
    const rows: RowView[] = [];
    for (let at = first; at < Math.min(total, first + ask.count); at++)
      rows.push(this.#rowView(this.#codes[at]!, ask));
    const selectedIndex = ask.selected ? this.#indexOf(ask.selected) : NONE;
    return { first, rows, total, shift, selectedIndex, version: this.#version };
  }

  fold(ask: FoldAsk): Folded {
    const indexBefore = ask.chosen ? this.#indexOf(ask.chosen) : NONE;
    if (ask.key) this.#foldOne(this.#codeOf(ask.key), ask.how);
    else this.#foldAll(ask.how, this.#codeOf(ask.chosen));
    this.#lay();
    return { totals: this.totals(), chosen: this.#placeAt(this.#indexInSight(ask.chosen)), indexBefore };
  }

  go(ask: GoAsk): Place {
    if (ask.to === "row") return this.#stepFrom(ask.from, ask.step);
    if (ask.to === "end") return this.#placeAt(ask.step === 1 ? this.#codes.length - 1 : 0);
    if (ask.to === "parent") return this.#goToParent(ask.from);
    if (ask.to === "span") return this.#show(this.order.positionOf(ask.row));
    if (ask.to === "id") return this.#show(this.order.positionOf(this.spans.rowOf(ask.spanId)));
    if (isFailureAsk(ask)) return this.#goToFailure(ask);
    return this.#show(nextMatch(this.#matches, this.#positionNear(ask.from, ask.step), ask.step));
  }

  #goToFailure(ask: FailureAsk): Place {
    if (ask.error !== this.#playError) this.#failures = null;
    this.#playError = ask.error;
    const failures = this.#knownFailures()!;
    const goal = failures.goal(ask.to, this.#codeOf(ask.from), (step) => this.#positionNear(ask.from, step));
    return goal ? { ...this.#show(goal.position), said: goal.said } : NOWHERE;
  }

  /** null where nobody has asked for one yet. */
  #knownFailures(): Failures | null {
    const { parts, order, spans } = this;
    const playError = this.#playError;
    return (this.#failures ??= parts.failures ? new parts.failures.Failures(order, spans, playError) : null);
  }

  find(text: string, others: readonly number[]): void {
    this.#query = readQuery(text);
    this.#others = new Set(others);
    this.#search();
    this.#version++;
  }

  setPath(isOn: boolean, nowMs: number): void {
    this.#pathNowMs = isOn ? nowMs : null;
    if (isOn) this.#trace(nowMs);
    else this.#path = null;
    this.#version++;
  }

  density(fromMs: number, toMs: number, parts: number): Density {
    return densityOf(this.spans, fromMs, toMs, parts);
  }

  facts(key: RowKey): SpanFacts | null {
    const code = this.#codeOf(key);
    if (code === null || code === ORPHANS) return null;
    const { order, spans } = this;
    const group = groupOfCode(order, code);
    const { factsOf } = this.parts.facts!;
    if (group) return { ...factsOf(order, spans, group.from, NO_PATH), key, group: this.#groupView(group) };
    return { ...factsOf(order, spans, code, this.#path?.of(order.rows[code]!) ?? NO_PATH), key };
  }

  #search(): void {
    this.#matches = (this.parts.matches?.findSpans(this.order, this.spans, this.#query, this.#others) ??
      new Int32Array(0)) as Int32Array<ArrayBuffer>;
    this.#isMatch = new Uint8Array(isEmpty(this.#query) ? 0 : this.order.count);
    for (const at of this.#matches) this.#isMatch[at] = 1;
  }

  #trace(nowMs: number): void {
    this.#pathNowMs = nowMs;
    const { criticalPath, PathIndex } = this.parts.critical!;
    const { order, spans } = this;
    this.#path = new PathIndex(criticalPath(order, spans, nowMs), order, spans);
  }

  #lay(): void {
    this.#codes = visibleRows(this.order, this.folding) as Int32Array<ArrayBuffer>;
    this.#version++;
  }

  #deepest(): number {
    let deepest = 1;
    for (const level of this.order.levels) if (level > deepest) deepest = level;
    return deepest;
  }

  #foldAll(how: FoldAsk["how"], chosen: number | null): void {
    const { folding, order } = this;
    const depth = Math.min(this.#deepest(), folding.depth);
    if (how === "all") folding.reset(Infinity, "open", order.groups);
    else if (how === "none") folding.reset(0, "closed", order.groups);
    else folding.reset(Math.max(0, depth + (how === "deeper" ? 1 : -1)), "brief", order.groups);
    // Who looks at a span still looks at it then: the way to it stays open.
    if (chosen !== null && chosen !== ORPHANS) this.#revealRow(chosen);
  }

  #revealRow(code: number): void {
    const { folding, order } = this;
    const group = groupOfCode(order, code);
    if (!group) return reveal(order, folding, code);
    if (group.from >= order.orphansFrom) folding.areOrphansOpen = true;
    if (group.parentPos < 0) return;
    reveal(order, folding, group.parentPos);
    folding.setOpen(order.rows[group.parentPos]!, true);
  }

  #foldOne(code: number | null, how: FoldAsk["how"]): void {
    if (code === null) return;
    const { folding, order } = this;
    if (code === ORPHANS) {
      folding.areOrphansOpen = how === "toggle" ? !folding.areOrphansOpen : how === "open";
      return;
    }
    const group = groupOfCode(order, code);
    if (group) {
      const isOpen = folding.stateOf(group) === "open";
      if (how === "toggle") folding.setState(group, isOpen ? "brief" : "open");
      else if (how === "open") folding.setState(group, "open");
      else folding.setState(group, isOpen ? "brief" : "closed");
      return;
    }
    const row = order.rows[code]!;
    const isOpen = folding.isOpen(row, order.levels[code]!);
    folding.setOpen(row, how === "toggle" ? !isOpen : how === "open");
  }

  #show(position: number): Place {
    if (position < 0) return NOWHERE;
    reveal(this.order, this.folding, position);
    this.#lay();
    return this.#placeAt(this.#codes.indexOf(position));
  }

  #stepFrom(from: RowKey, step: number): Place {
    const index = this.#indexInSight(from);
    if (index === NONE) return this.#placeAt(step < 0 ? this.#codes.length - 1 : 0);
    return this.#placeAt(Math.max(0, Math.min(this.#codes.length - 1, index + step)));
  }

  #goToParent(from: RowKey): Place {
    const code = this.#codeOf(from);
    const above = code === null ? null : this.#codeAbove(code);
    return above === null ? NOWHERE : this.#placeAt(this.#codes.indexOf(above));
  }

  /** What a row is shown below: its group, its parent, or what stands above the orphans; null where nothing is. */
  #codeAbove(code: number): number | null {
    if (code === ORPHANS) return null;
    const { order } = this;
    const group = groupOfCode(order, code);
    const holder = group ? null : order.groupOf(code);
    if (holder) return codeOfGroup(order.groups.indexOf(holder));
    const parent = group ? group.parentPos : order.parents[code]!;
    if (parent >= 0) return parent;
    return (group ? group.from : code) >= order.orphansFrom ? ORPHANS : null;
  }

  /** Where a row is, or the one that it is folded into. */
  #indexInSight(key: RowKey): number {
    for (let code = this.#codeOf(key); code !== null; code = this.#codeAbove(code)) {
      const index = this.#codes.indexOf(code);
      if (index !== NONE) return index;
    }
    return NONE;
  }

  #placeAt(index: number): Place {
    if (index < 0 || index >= this.#codes.length) return NOWHERE;
    const code = this.#codes[index]!;
    const key = this.#keyOf(code);
    const group = groupOfCode(this.order, code);
    if (code === ORPHANS || group) return { key, row: NONE, index, startMs: NaN, endMs: NaN };
    const row = this.order.rows[code]!;
    return { key, row, index, startMs: this.spans.start[row]!, endMs: this.spans.end[row]! };
  }

  /** The position from which the next is looked for. */
  #positionNear(key: RowKey, step: 1 | -1): number {
    const code = key ? this.#codeOf(key) : null;
    if (code === null) return step === 1 ? NONE : this.order.count;
    if (code === ORPHANS) return this.order.orphansFrom + (step === 1 ? -1 : 0);
    const group = groupOfCode(this.order, code);
    return group ? group.from - (step === 1 ? 1 : 0) : code;
  }

  #indexOf(key: RowKey): number {
    const code = this.#codeOf(key);
    return code === null ? NONE : this.#codes.indexOf(code);
  }

  #keyOf(code: number): RowKey {
    if (code === ORPHANS) return ORPHANS_KEY;
    const group = groupOfCode(this.order, code);
    return group ? `g${group.key}` : `s${this.order.rows[code]!}`;
  }

  #codeOf(key: RowKey): number | null {
    if (!key) return null;
    if (key === ORPHANS_KEY) return ORPHANS;
    if (key.startsWith("g")) {
      const index = this.order.groups.findIndex((group) => group.key === key.slice(1));
      return index < 0 ? null : codeOfGroup(index);
    }
    const position = this.order.positionOf(Number(key.slice(1)));
    return position < 0 ? null : position;
  }

  #rowView(code: number, ask: ViewAsk): RowView {
    const group = groupOfCode(this.order, code);
    if (group) return this.#groupRow(code, group, ask);
    if (code === ORPHANS) return this.#orphansRow(ask);
    const { spans, order } = this;
    const row = order.rows[code]!;
    const end = order.endOf(code);
    const below = end - code - 1;
    const isOpen = below ? this.folding.isOpen(row, order.levels[code]!) : null;
    const failedBelow = order.failedIn(code + 1, end);
    return {
      key: `s${row}`,
      row,
      level: order.levels[code]!,
      name: spans.names[spans.name[row]!]!,
      status: spans.status[row]!,
      kind: spans.kind[row]!,
      startMs: spans.start[row]!,
      endMs: spans.end[row]!,
      isOpen,
      place: code + 1,
      below,
      failedBelow,
      isOwn: failedBelow === 0 || (this.#knownFailures()?.isOwn(code) ?? false),
      runningBelow: order.runningIn(code + 1, end),
      hasLogs: (spans.marks[row]! & 1) > 0,
      hasChild: (spans.marks[row]! & 2) > 0,
      error: spans.errors.get(row) ?? "",
      isMatch: this.#isMatch[code] === 1,
      isOnPath: this.#path?.isIn(code, isOpen === false ? end : code + 1) ?? false,
      path: isOpen === false ? this.#pathIn(code, end, ask) : (this.#path?.of(row) ?? NO_PATH),
      bars: isOpen === false ? this.#bars(code + 1, end, ask) : null,
      group: null,
    };
  }

  #groupRow(code: number, group: Group, ask: ViewAsk): RowView {
    const state = this.folding.stateOf(group);
    return {
      ...this.#stretchRow(group.from, group.to, ask),
      key: this.#keyOf(code),
      level: group.level,
      name: this.spans.names[group.name]!,
      isOpen: state !== "closed" && (state === "open" || this.folding.shownOf(group).length > 0),
      below: group.count,
      failedBelow: this.order.failedIn(group.from, group.to),
      group: { ...this.#groupView(group), isBrief: state === "brief" },
    };
  }

  #orphansRow(ask: ViewAsk): RowView {
    const { order } = this;
    return {
      ...this.#stretchRow(order.orphansFrom, order.count, ask),
      key: ORPHANS_KEY,
      level: 1,
      name: "spans whose parent never came",
      isOpen: this.folding.areOrphansOpen,
    };
  }

  #stretchRow(from: number, to: number, ask: ViewAsk): RowView {
    const failed = this.order.failedIn(from, to);
    const running = this.order.runningIn(from, to);
    return {
      key: "",
      row: NONE,
      level: 1,
      name: "",
      status: failed ? 4 : running ? RUNNING : 1,
      kind: 0,
      startMs: NaN,
      endMs: NaN,
      isOpen: true,
      place: 0,
      below: to - from,
      failedBelow: failed,
      isOwn: false,
      runningBelow: running,
      hasLogs: false,
      hasChild: false,
      error: "",
      isMatch: false,
      isOnPath: this.#path?.isIn(from, to) ?? false,
      path: this.#pathIn(from, to, ask),
      bars: this.#bars(from, to, ask),
      group: null,
    };
  }

  #groupView(group: Group): GroupView {
    const { spans } = this;
    const failedRow = group.shown.find((row) => spans.status[row]! > 1) ?? NONE;
    const { slowest } = group;
    return {
      count: group.count,
      failed: group.failed,
      running: group.running,
      totalMs: group.totalMs,
      slowest,
      slowestMs: slowest === NONE ? NaN : spans.endAt(slowest, 0) - spans.start[slowest]!,
      firstFailed: failedRow,
      isBrief: this.folding.stateOf(group) === "brief",
    };
  }

  #pathIn(from: number, to: number, ask: ViewAsk): readonly number[] {
    return this.#path?.pairs(from, to, ask.fromMs, ask.toMs, Math.max(1, ask.pixels)) ?? NO_PATH;
  }

  #bars(from: number, to: number, ask: ViewAsk): Float64Array {
    const found = this.#detail.bars(from, to, ask.fromMs, ask.toMs, Math.max(1, ask.pixels), ask.nowMs);
    const triples = new Float64Array(found.from.length * 3);
    for (let at = 0; at < found.from.length; at++) {
      triples[at * 3] = found.from[at]!;
      triples[at * 3 + 1] = found.to[at]!;
      triples[at * 3 + 2] = found.status[at]!;
    }
    return triples;
  }
}
