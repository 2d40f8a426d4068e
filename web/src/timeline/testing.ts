/** Plays made up for tests: columns as the service writes them, and trees by a seed. */

import type { Bytes } from "./columns.ts";
import { type SpanNews, Spans } from "./spans.ts";

/** The same numbers for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function news(ordinal: number, given: Partial<SpanNews> = {}): SpanNews {
  return {
    span_id: `s${ordinal}`,
    parent_id: "",
    name: "step",
    kind: "step",
    status: "ok",
    start_ms: ordinal,
    end_ms: ordinal + 1,
    error: "",
    child_play_sid: "",
    ordinal,
    ...given,
  };
}

/** A tree of so many spans; with `isWild` some have clocks that jumped, parents that never came, or still run. */
export function tree(count: number, seed: number, isWild = true): SpanNews[] {
  const next = random(seed);
  const pick = (below: number): number => Math.floor(next() * below);
  const spans: SpanNews[] = [];
  for (let at = 0; at < count; at++) {
    const above = at && next() < 0.95 ? spans[next() < 0.5 ? pick(Math.min(3, at)) : pick(at)]! : null;
    const start = above ? above.start_ms + next() * 100 : next() * 50;
    const odd = isWild ? next() : 1;
    const status = next() < 0.1 ? "failed" : "ok";
    spans.push(
      news(at, {
        parent_id: odd < 0.02 ? `gone${pick(3)}` : (above?.span_id ?? ""),
        name: `n${pick(3)}`,
        start_ms: start,
        end_ms: odd > 0.9 && isWild ? null : odd < 0.05 ? start - 5 : start + next() * 120,
        status: odd > 0.9 && isWild ? "running" : status,
        error: status === "failed" ? `it failed at ${pick(4)}` : "",
      }),
    );
  }
  return spans;
}

export function spansOf(given: readonly SpanNews[]): Spans {
  const spans = new Spans();
  spans.addNews(given);
  return spans;
}

const NAMED = ["name", "kind", "status", "rpc_service", "rpc_method", "source_file"];
const TEXTS = ["span_id", "parent_id", "error", "child_play_sid", "tags"];
const LAYOUT: readonly (readonly [string, string])[] = [
  ["revision", "u64"],
  ["start_ms", "f64"],
  ["end_ms", "f64"],
  ["ordinal", "u32"],
  ["source_line", "u32"],
  ["log_bytes", "u32"],
  ...NAMED.map((name) => [name, "name"] as const),
  ...TEXTS.map((name) => [name, "text"] as const),
];

/** What `GET /plays/SID/columns` would send of these spans, in blocks of so many. */
export function columnsOf(given: readonly SpanNews[], blockRows = 7): Bytes {
  const pieces: Uint8Array[] = [new TextEncoder().encode("HEROCOL1")];
  const head = { schema: 1, play: { sid: "p" }, columns: LAYOUT.map(([name, type]) => ({ name, type })) };
  pieces.push(frame("head", json(head)));
  const names = new Map<string, number>();
  for (let at = 0; at < given.length; at += blockRows) {
    const known = names.size;
    const rows = given.slice(at, at + blockRows);
    const parts = [u64([rows.length]), ...LAYOUT.map(([name, type]) => columnOf(name, type, rows, names))];
    if (names.size > known) pieces.push(frame("name", json([...names.keys()].slice(known))));
    pieces.push(frame("rows", joined(parts)));
  }
  pieces.push(frame("done", json({ revision: 9, rows: given.length })));
  return joined(pieces);
}

function columnOf(
  name: string,
  type: string,
  rows: readonly SpanNews[],
  names: Map<string, number>,
): Uint8Array {
  const values = rows.map((row) => (row as unknown as Record<string, unknown>)[name]);
  if (type === "u64") return u64(values.map((value) => Number(value ?? 0)));
  if (type === "f64")
    return padded(new Uint8Array(Float64Array.from(values, (value) => (value as number) ?? NaN).buffer));
  if (type === "u32") return u32(values.map((value) => Number(value ?? 0)));
  const texts = values.map((value) =>
    typeof value === "string" ? value : value ? JSON.stringify(value) : "",
  );
  if (type === "text") {
    const encoded = texts.map((text) => new TextEncoder().encode(text));
    const offsets = [0];
    for (const text of encoded) offsets.push(offsets[offsets.length - 1]! + text.length);
    return joined([u32(offsets), padded(joined(encoded))]);
  }
  return u32(
    texts.map((text) => {
      if (!names.has(text)) names.set(text, names.size);
      return names.get(text)!;
    }),
  );
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function frame(kind: string, payload: Uint8Array): Uint8Array {
  return joined([
    new TextEncoder().encode(kind),
    new Uint8Array(Uint32Array.of(payload.length).buffer),
    padded(payload),
  ]);
}

function u32(values: number[]): Uint8Array {
  return padded(new Uint8Array(Uint32Array.from(values).buffer));
}

function u64(values: number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, (value) => BigInt(value)).buffer);
}

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 8) * 8);
  whole.set(bytes);
  return whole;
}

function joined(pieces: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
