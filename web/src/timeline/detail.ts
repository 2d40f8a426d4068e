/**
 * Levels of detail over a play in its order: what a stretch of it looks like, at the cost of the pixels it is drawn on.
 *
 * Each level says of so many neighbours when the first began, the last ended, and how the worst of them fared. Only
 * where a stretch is wider than a pixel and its neighbours are not one bar, the level below is looked at.
 */

import type { Order } from "./order.ts";
import { RUNNING, type Spans } from "./spans.ts";

const STEP_BITS = 2;
const STEP = 1 << STEP_BITS;
/** So many looks for each pixel at the most; what is not looked at by then is drawn as its stretch says. */
const LOOKS_A_PIXEL = 12;

/** Bars, each from and to in milliseconds and how the worst in it fared; in the order of the play. */
export interface Bars {
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly status: Uint8Array;
}

interface Level {
  readonly start: Float64Array;
  readonly end: Float64Array;
  readonly worst: Uint8Array;
}

/** Of two statuses the one to be seen: failures first, then what runs, then the rest. */
export function worse(one: number, other: number): number {
  return rank(one) >= rank(other) ? one : other;
}

function rank(status: number): number {
  return status === RUNNING ? 1.5 : status;
}

export class Detail {
  readonly #levels: Level[] = [];

  constructor(order: Order, spans: Spans) {
    let level: Level = {
      start: new Float64Array(order.count),
      end: new Float64Array(order.count),
      worst: new Uint8Array(order.count),
    };
    for (let at = 0; at < order.count; at++) {
      const row = order.rows[at]!;
      level.start[at] = spans.start[row]!;
      level.end[at] = spans.endAt(row, Infinity);
      level.worst[at] = spans.status[row]!;
    }
    this.#levels.push(level);
    while (level.start.length > STEP) {
      level = above(level);
      this.#levels.push(level);
    }
  }

  /** What the positions from `from` to `to` look like between two times on so many pixels. */
  bars(from: number, to: number, fromMs: number, toMs: number, pixels: number, nowMs: number): Bars {
    const look = new Look(this.#levels, from, to, fromMs, toMs, pixels, nowMs);
    look.all();
    return look.bars();
  }
}

function above(level: Level): Level {
  const size = Math.ceil(level.start.length / STEP);
  const start = new Float64Array(size).fill(Infinity);
  const end = new Float64Array(size).fill(-Infinity);
  const worst = new Uint8Array(size).fill(1);
  for (let at = 0; at < level.start.length; at++) {
    const over = at >> STEP_BITS;
    if (level.start[at]! < start[over]!) start[over] = level.start[at]!;
    if (level.end[at]! > end[over]!) end[over] = level.end[at]!;
    worst[over] = worse(level.worst[at]!, worst[over]!);
  }
  return { start, end, worst };
}

class Look {
  readonly #msAPixel: number;
  #budget: number;
  /** By pixel: one more than the rank of what is drawn there; 0: nothing. */
  readonly #drawn: Uint8Array;

  constructor(
    private readonly levels: readonly Level[],
    private readonly from: number,
    private readonly to: number,
    private readonly fromMs: number,
    private readonly toMs: number,
    private readonly pixels: number,
    private readonly nowMs: number,
  ) {
    this.#msAPixel = (toMs - fromMs) / pixels;
    this.#budget = pixels * LOOKS_A_PIXEL;
    this.#drawn = new Uint8Array(pixels);
  }

  all(): void {
    const top = this.levels.length - 1;
    const shift = top * STEP_BITS;
    for (let at = this.from >> shift; at << shift < this.to; at++) this.#node(top, at);
  }

  /** The pixels that are drawn on, joined where neighbours fared alike. */
  bars(): Bars {
    const from: number[] = [];
    const to: number[] = [];
    const status: number[] = [];
    for (let pixel = 0; pixel < this.pixels; pixel++) {
      const value = this.#drawn[pixel]!;
      if (!value) continue;
      let end = pixel + 1;
      while (end < this.pixels && this.#drawn[end] === value) end++;
      from.push(this.fromMs + pixel * this.#msAPixel);
      to.push(this.fromMs + end * this.#msAPixel);
      status.push(CODES[value]!);
      pixel = end - 1;
    }
    return { from: Float64Array.from(from), to: Float64Array.from(to), status: Uint8Array.from(status) };
  }

  #node(depth: number, at: number): void {
    const level = this.levels[depth]!;
    if (at >= level.start.length) return;
    const shift = depth * STEP_BITS;
    const first = at << shift;
    if (first >= this.to || first + (1 << shift) <= this.from) return;
    const start = level.start[at]!;
    if (level.end[at]! < this.fromMs || start > this.toMs) return;
    const end = level.end[at] === Infinity ? Math.max(this.nowMs, start) : level.end[at]!;
    if (depth === 0 && end < this.fromMs) return;
    const pixel = this.#pixelOf(start);
    const lastPixel = this.#pixelOf(end);
    const code = CODE_OF[level.worst[at]!]!;
    if (this.#isDrawn(pixel, lastPixel, code)) return;
    const isInside = first >= this.from && first + (1 << shift) <= this.to;
    this.#budget--;
    if (depth === 0 || (isInside && (pixel === lastPixel || this.#budget <= 0))) {
      this.#draw(pixel, lastPixel, code);
      return;
    }
    for (let below = at << STEP_BITS; below < (at + 1) << STEP_BITS; below++) this.#node(depth - 1, below);
  }

  #pixelOf(ms: number): number {
    return Math.min(this.pixels - 1, Math.max(0, Math.floor((ms - this.fromMs) / this.#msAPixel)));
  }

  #isDrawn(from: number, to: number, code: number): boolean {
    for (let pixel = from; pixel <= to; pixel++) if (this.#drawn[pixel]! < code) return false;
    return true;
  }

  #draw(from: number, to: number, code: number): void {
    for (let pixel = from; pixel <= to; pixel++) if (this.#drawn[pixel]! < code) this.#drawn[pixel] = code;
  }
}

/** Codes rise with what has to be seen: ok, running, cancelled, timed out, failed. */
const CODE_OF = [2, 1, 3, 4, 5];
const CODES = [0, 1, 0, 2, 3, 4];

/** How busy a play was over its whole time: how many spans were open in each of so many parts, and which failed. */
export interface Density {
  readonly open: Float32Array;
  /** 1 where one failed. */
  readonly failed: Uint8Array;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Of all spans that have come; each costs the same, however long it lasted. */
export function densityOf(spans: Spans, fromMs: number, toMs: number, parts: number): Density {
  const steps = new Float64Array(parts + 1);
  const failed = new Uint8Array(parts);
  const scale = parts / Math.max(toMs - fromMs, 1e-6);
  const partOf = (ms: number): number => Math.min(parts - 1, Math.max(0, Math.floor((ms - fromMs) * scale)));
  for (let row = 0; row < spans.length; row++) {
    if (!spans.has(row)) continue;
    const first = partOf(spans.start[row]!);
    const last = partOf(spans.endAt(row, toMs));
    steps[first]!++;
    steps[last + 1]!--;
    if (spans.status[row]! > 1) failed[last] = 1;
  }
  const open = new Float32Array(parts);
  let now = 0;
  for (let part = 0; part < parts; part++) {
    now += steps[part]!;
    open[part] = now;
  }
  return { open, failed, fromMs, toMs };
}
