/** What the page and its worker say to each other. */

import type { Density } from "./detail.ts";
import type { Flame } from "./flame.ts";
import type { NameRow } from "./names.ts";

/** A row that a person can be at: `s` and the ordinal of a span, `g` and the key of a group, or the one of the orphans. */
export type RowKey = string;
export const ORPHANS_KEY: RowKey = "orphans";

export interface ViewAsk {
  readonly kind: "view";
  /** The rows that are wanted, from the first that is seen. */
  readonly first: number;
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly pixels: number;
  readonly nowMs: number;
  readonly selected: RowKey;
  /** The row at `first` when that was decided: where it has moved since, the view moves with it. */
  readonly anchor: RowKey;
}

/** What folds and unfolds: one row, or all. What is chosen stays chosen: by what folds all it stays in its row too. */
export type FoldAsk = {
  readonly kind: "fold";
  readonly how: "toggle" | "open" | "close" | "all" | "none" | "deeper" | "shallower";
  readonly key: RowKey;
  readonly chosen: RowKey;
};

/** What is chosen then, where it is, and where it was before; a row that was folded stands for what is hidden in it. */
export interface Folded {
  readonly totals: Totals;
  readonly chosen: Place;
  readonly indexBefore: number;
}

/**
 * Goes to a failure: to what made the play fail, to the next one or the one before, or to the first below a row.
 * `error` is what the play says, as far as that is known.
 */
export type FailureAsk = {
  readonly kind: "go";
  readonly to: "cause" | "next failure" | "failure before" | "failure below";
  readonly from: RowKey;
  readonly error: string;
};

export function isFailureAsk(ask: GoAsk): ask is FailureAsk {
  return "error" in ask;
}

/** Goes to a row; the answer is `Place`. */
export type GoAsk =
  | { readonly kind: "go"; readonly to: "span"; readonly row: number }
  | { readonly kind: "go"; readonly to: "id"; readonly spanId: string }
  | FailureAsk
  | { readonly kind: "go"; readonly to: "match"; readonly from: RowKey; readonly step: 1 | -1 }
  | { readonly kind: "go"; readonly to: "row"; readonly from: RowKey; readonly step: number }
  /** The last row, or with -1 the first. */
  | { readonly kind: "go"; readonly to: "end"; readonly step: 1 | -1 }
  | { readonly kind: "go"; readonly to: "parent"; readonly from: RowKey };

export type Ask =
  | { readonly kind: "open"; readonly path: string }
  | { readonly kind: "bytes"; readonly bytes: ArrayBuffer }
  /** What the stream told, as it told it: the page has frames to draw, the worker has the time to read. */
  | { readonly kind: "news"; readonly documents: readonly string[] }
  | ViewAsk
  | FoldAsk
  | GoAsk
  | { readonly kind: "find"; readonly text: string; readonly others: readonly number[] }
  | { readonly kind: "path"; readonly isOn: boolean; readonly nowMs: number }
  | { readonly kind: "names"; readonly nowMs: number }
  | { readonly kind: "flame"; readonly nowMs: number }
  | { readonly kind: "density"; readonly fromMs: number; readonly toMs: number; readonly parts: number }
  | { readonly kind: "span"; readonly key: RowKey; readonly nowMs: number }
  | { readonly kind: "totals" }
  | { readonly kind: "trace"; readonly nowMs: number };

export interface RowView {
  readonly key: RowKey;
  /** The ordinal of the span; -1 where it is none. */
  readonly row: number;
  readonly level: number;
  readonly name: string;
  readonly status: number;
  readonly kind: number;
  readonly startMs: number;
  /** NaN while it runs. */
  readonly endMs: number;
  /** null: nothing is below it. */
  readonly isOpen: boolean | null;
  /** Its place in the play with all unfolded, from 1; 0 for what is no span. */
  readonly place: number;
  readonly below: number;
  readonly failedBelow: number;
  /** Of what failed: whether it did by itself, and not since something below it did. */
  readonly isOwn: boolean;
  readonly runningBelow: number;
  readonly hasLogs: boolean;
  readonly hasChild: boolean;
  readonly error: string;
  readonly isMatch: boolean;
  /** Whether the critical path is in it, or in what it stands for where it is folded. */
  readonly isOnPath: boolean;
  /** Pairs from and to: where that is. */
  readonly path: readonly number[];
  /** What is below it, where it is folded: triples of from, to and status. */
  readonly bars: Float64Array | null;
  /** Of a group. */
  readonly group: GroupView | null;
}

export interface GroupView {
  readonly count: number;
  readonly failed: number;
  readonly running: number;
  readonly totalMs: number;
  readonly slowest: number;
  readonly slowestMs: number;
  readonly firstFailed: number;
  readonly isBrief: boolean;
}

export interface View {
  readonly first: number;
  readonly rows: readonly RowView[];
  readonly total: number;
  /** How far the anchor has moved. */
  readonly shift: number;
  readonly selectedIndex: number;
  readonly version: number;
}

export interface Totals {
  readonly version: number;
  readonly count: number;
  readonly failed: number;
  readonly running: number;
  readonly orphans: number;
  readonly rows: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly isLoaded: boolean;
  readonly matches: number;
  /** Names on the critical path with the most time in it, the most first. */
  readonly pathNames: readonly { readonly name: string; readonly ms: number }[];
}

export interface Place {
  /** "" where there is none. */
  readonly key: RowKey;
  readonly row: number;
  readonly index: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Of a failure: which of how many it is, and what became of it, in words. */
  readonly said?: string;
}

/** Where a span stands, for its details. */
export interface SpanFacts {
  readonly key: RowKey;
  readonly row: number;
  readonly spanId: string;
  readonly name: string;
  readonly status: number;
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly error: string;
  readonly children: number;
  readonly below: number;
  readonly failedBelow: number;
  readonly pathMs: number;
  readonly hasLogs: boolean;
  /** From the root down to it. */
  readonly ancestors: readonly { readonly row: number; readonly name: string; readonly status: number }[];
  readonly group: GroupView | null;
}

export interface FlameAnswer {
  readonly flame: Flame;
  readonly names: readonly string[];
}

export interface Answers {
  view: View;
  fold: Folded;
  totals: Totals;
  go: Place;
  find: Totals;
  path: Totals;
  names: NameRow[];
  flame: FlameAnswer;
  density: Density;
  span: SpanFacts | null;
  trace: Blob;
}

/** What a worker tells unasked. */
export type Tell =
  | { readonly kind: "head"; readonly play: Readonly<Record<string, unknown>>; readonly serverMs: number }
  /** `latestMs`: when the span began that was told last, by the clock that the play has; 0 where none was told. */
  | { readonly kind: "totals"; readonly totals: Totals; readonly latestMs: number }
  | { readonly kind: "done"; readonly revision: number }
  | { readonly kind: "trouble"; readonly message: string; readonly status: number };

export type Said = { readonly id: number; readonly answer: unknown } | { readonly tell: Tell };
export type Sent = { readonly id: number; readonly ask: Ask };
