/**
 * All spans of a play as columns of numbers: a row for each, by its ordinal. No object per span.
 *
 * A row whose parent is not there is an orphan until the parent comes. Tags, logs and sources stay with the server.
 */

import type { SpanNews as ToldSpan } from "../rpc/documents.ts";
import type { Block } from "./columns.ts";
import { IdTable } from "./ids.ts";

export const NONE = -1;
/** A parent was named that nobody has heard of (yet). */
export const ORPHAN = -2;

export const STATUSES = ["running", "ok", "cancelled", "timed_out", "failed"] as const;
export type SpanStatus = (typeof STATUSES)[number];
export const RUNNING = 0;
export const OK = 1;
export const FAILED = 4;
/** The statuses that a person looks for: all from here on are no success. */
export const WORST_OK = OK;

export const KINDS = ["step", "flow_root", "rpc", "subflow", "other"] as const;
export const MAX_ERROR_CHARS = 300;

/** A span as the event stream tells it (docs/rpc.md, "Events"), as far as it is kept here. */
export type SpanNews = Readonly<
  Pick<
    ToldSpan,
    | "span_id"
    | "parent_id"
    | "name"
    | "kind"
    | "status"
    | "start_ms"
    | "end_ms"
    | "error"
    | "child_play_sid"
    | "ordinal"
  > &
    Partial<Pick<ToldSpan, "logs" | "tags" | "revision">>
>;

export class Spans {
  /** One more than the highest ordinal; rows in between may not have come yet: `status` is 255 then. */
  length = 0;
  count = 0;
  failed = 0;
  running = 0;
  start = new Float64Array(0);
  /** NaN while it runs. */
  end = new Float64Array(0);
  name = new Int32Array(0);
  parent = new Int32Array(0);
  status = new Uint8Array(0);
  kind = new Uint8Array(0);
  /** 1: has logs, 2: has a child play. */
  marks = new Uint8Array(0);
  readonly names: string[] = [];
  readonly errors = new Map<number, string>();
  readonly ids = new IdTable();
  minMs = Infinity;
  maxMs = -Infinity;
  /** Rises with every change. */
  version = 0;

  #nameIds = new Map<string, number>();
  #wire: number[] = [];
  #orphans = new Map<string, number[]>();
  #encoder = new TextEncoder();
  #decoder = new TextDecoder();
  #sameErrors = new Map<string, string>();

  /** Take names that the stream of columns appends to its dictionary. */
  addNames(names: readonly string[]): void {
    for (const name of names) this.#wire.push(this.#nameId(name));
  }

  /** Take a block of columns. */
  addBlock(block: Block): void {
    const ordinals = column(block, "ordinal");
    const start = column(block, "start_ms");
    const end = column(block, "end_ms");
    const name = column(block, "name");
    const kind = column(block, "kind");
    const status = column(block, "status");
    const logs = column(block, "log_bytes");
    const ids = block.texts["span_id"]!;
    const parents = block.texts["parent_id"]!;
    const errors = block.texts["error"]!;
    const children = block.texts["child_play_sid"]!;
    if (block.rows) this.#makeRoom(ordinals[block.rows - 1]! + 1);
    for (let at = 0; at < block.rows; at++) {
      const row = ordinals[at]!;
      this.#makeRoom(row + 1);
      const isNew = this.status[row] === UNKNOWN;
      this.#put(row, start[at]!, end[at]!, statusOf(this.names[this.#wire[status[at]!]!]!));
      this.name[row] = this.#wire[name[at]!]!;
      this.kind[row] = kindOf(this.names[this.#wire[kind[at]!]!]!);
      const hasChild = children.offsets[at]! !== children.offsets[at + 1]!;
      this.marks[row] = (logs[at]! ? 1 : 0) | (hasChild ? 2 : 0);
      if (errors.offsets[at]! !== errors.offsets[at + 1]!) {
        this.#setError(
          row,
          this.#decoder.decode(errors.bytes.subarray(errors.offsets[at], errors.offsets[at + 1])),
        );
      }
      if (isNew) this.#link(row, ids.bytes, ids.offsets[at]!, ids.offsets[at + 1]!);
      this.#setParent(row, parents.bytes, parents.offsets[at]!, parents.offsets[at + 1]!);
    }
    this.version++;
  }

  /** Take spans as the event stream tells them. */
  addNews(news: readonly SpanNews[]): void {
    for (const span of news) {
      const row = span.ordinal;
      if (!Number.isInteger(row) || row < 0) continue;
      this.#makeRoom(row + 1);
      const isNew = this.status[row] === UNKNOWN;
      this.#put(row, span.start_ms, span.end_ms ?? NaN, statusOf(span.status));
      this.name[row] = this.#nameId(span.name);
      this.kind[row] = kindOf(span.kind);
      this.marks[row] = (span.logs ? 1 : 0) | (span.child_play_sid ? 2 : 0);
      if (span.error) this.#setError(row, span.error);
      const id = this.#encoder.encode(span.span_id);
      if (isNew) this.#link(row, id, 0, id.length);
      const parent = this.#encoder.encode(span.parent_id);
      this.#setParent(row, parent, 0, parent.length);
    }
    this.version++;
  }

  /** Whether a row has come. */
  has(row: number): boolean {
    return row >= 0 && row < this.length && this.status[row] !== UNKNOWN;
  }

  /** When it ended, or `nowMs` while it runs; never before its start: a clock that jumped draws nothing backwards. */
  endAt(row: number, nowMs: number): number {
    const end = this.end[row]!;
    const start = this.start[row]!;
    return Number.isNaN(end) ? Math.max(start, nowMs) : Math.max(start, end);
  }

  /** The row of a span id; -1 where there is none. */
  rowOf(spanId: string): number {
    const bytes = this.#encoder.encode(spanId);
    return this.ids.find(bytes, 0, bytes.length);
  }

  #put(row: number, start: number, end: number, status: number): void {
    const before = this.status[row]!;
    if (before === UNKNOWN) this.count++;
    else if (before === RUNNING) this.running--;
    else if (before > WORST_OK) this.failed--;
    if (status === RUNNING) this.running++;
    else if (status > WORST_OK) this.failed++;
    this.status[row] = status;
    this.start[row] = start;
    this.end[row] = end;
    if (start < this.minMs) this.minMs = start;
    if (start > this.maxMs) this.maxMs = start;
    if (end > this.maxMs) this.maxMs = end;
  }

  #link(row: number, bytes: Uint8Array, from: number, to: number): void {
    // A store has each id once; where one came twice all the same, the first stands for its children.
    if (this.ids.find(bytes, from, to) === NONE) this.ids.add(row, bytes, from, to);
    if (!this.#orphans.size) return;
    const id = this.#decoder.decode(bytes.subarray(from, to));
    const waiting = this.#orphans.get(id);
    if (!waiting) return;
    this.#orphans.delete(id);
    for (const child of waiting) if (this.parent[child] === ORPHAN && child !== row) this.parent[child] = row;
  }

  #setParent(row: number, bytes: Uint8Array, from: number, to: number): void {
    if (from === to) {
      this.parent[row] = NONE;
      return;
    }
    const parent = this.ids.find(bytes, from, to);
    if (parent !== NONE && parent !== row) {
      this.parent[row] = parent;
      return;
    }
    if (this.parent[row] === ORPHAN) return;
    this.parent[row] = ORPHAN;
    if (parent === row) return;
    const id = this.#decoder.decode(bytes.subarray(from, to));
    const waiting = this.#orphans.get(id);
    if (waiting) waiting.push(row);
    else this.#orphans.set(id, [row]);
  }

  #setError(row: number, error: string): void {
    const cut = error.length > MAX_ERROR_CHARS ? error.slice(0, MAX_ERROR_CHARS) : error;
    // The same few errors a hundred thousand times are kept once.
    let known = this.#sameErrors.get(cut);
    if (known === undefined) {
      known = cut;
      if (this.#sameErrors.size < 10_000) this.#sameErrors.set(cut, cut);
    }
    this.errors.set(row, known);
  }

  #nameId(name: string): number {
    let id = this.#nameIds.get(name);
    if (id === undefined) {
      id = this.names.length;
      this.names.push(name);
      this.#nameIds.set(name, id);
    }
    return id;
  }

  #makeRoom(length: number): void {
    if (length <= this.length) return;
    if (length > this.status.length) {
      const size = Math.max(1024, length, Math.floor(this.status.length * 1.6));
      this.start = grown(Float64Array, this.start, size);
      this.end = grown(Float64Array, this.end, size);
      this.name = grown(Int32Array, this.name, size);
      this.parent = grown(Int32Array, this.parent, size);
      const known = this.status.length;
      this.status = grown(Uint8Array, this.status, size);
      this.status.fill(UNKNOWN, known);
      this.kind = grown(Uint8Array, this.kind, size);
      this.marks = grown(Uint8Array, this.marks, size);
    }
    this.parent.fill(NONE, this.length, length);
    this.length = length;
  }
}

/** The status of a row that has not come yet. */
export const UNKNOWN = 255;

function column(block: Block, name: string): Float64Array | Uint32Array {
  const values = block.numbers[name];
  if (!values)
    throw new Error(`the server sends no column ${name}: it is of another release; reload the page`);
  return values;
}

/** What a newer server says that is not known here is a failure: it must never look like success. */
export function statusOf(text: string): number {
  const at = (STATUSES as readonly string[]).indexOf(text);
  return at < 0 ? FAILED : at;
}

function kindOf(text: string): number {
  const at = (KINDS as readonly string[]).indexOf(text);
  return at < 0 ? KINDS.length - 1 : at;
}

function grown<T extends Float64Array | Int32Array | Uint8Array>(
  make: new (size: number) => T,
  old: T,
  size: number,
): T {
  const larger = new make(size);
  larger.set(old);
  return larger;
}
