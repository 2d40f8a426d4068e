/**
 * Which failures a person has to look at, and in which order: what made the play fail first, what was caught last.
 *
 * A failure goes up from child to parent. So what made a play fail is found from its failed root down, each time to
 * the child whose failure became that of its parent: it has the same error, or it was the last to fail, the parent ended
 * with it, and nothing was begun after it. A failure that the parent went on from was caught.
 *
 * Source: docs/design/0031-why-a-play-failed.md.
 */

import { number } from "./format.ts";
import type { FailureAsk } from "./messages.ts";
import type { Order } from "./order.ts";
import { FAILED, MAX_ERROR_CHARS, NONE, OK, type Spans, WORST_OK } from "./spans.ts";

const UNKNOWN = -2;
/** A parent that ends by the failure of a child does so soon after: within this, or a part of its own time. */
const SOON_MS = 20;
const SOON_PART = 0.1;

interface Goal {
  readonly position: number;
  readonly said: string;
}

export class Failures {
  private readonly playError: string;
  /** By position: the child that its failure came from, where that was asked for. */
  private readonly known = new Map<number, number>();
  private listed: Int32Array | null = null;
  private caughtFrom = 0;

  constructor(
    private readonly order: Order,
    private readonly spans: Spans,
    playError: string,
  ) {
    this.playError = said(playError.slice(0, MAX_ERROR_CHARS));
  }

  /** What made the play fail; NONE where no failure led to its end. */
  cause(): number {
    const top = this.last(this.tops(), FAILED, this.playError, -Infinity);
    if (top !== NONE) return this.causeOf(top);
    return this.ownWithTheErrorOfThePlay();
  }

  /** Where the failure of a position began: that position, or one below it. */
  causeOf(position: number): number {
    let at = position;
    for (let next = at; next !== NONE; next = this.below(at)) at = next;
    return at;
  }

  /** Whether a position failed by itself, and not since something below it did. */
  isOwn(position: number): boolean {
    return this.hasFailed(position) && this.below(position) === NONE;
  }

  /** Those that failed by themselves: what made the play fail, what else was not caught, what was; each in the order of the play. */
  all(): Int32Array {
    return (this.listed ??= this.list());
  }

  /** Whether the failure at a place of that list was caught by something above it that ended well. */
  isCaught(place: number): boolean {
    return this.all().length > place && place >= this.caughtFrom;
  }

  /** The place in the list after that of a position, or before it; around the end. NONE where nothing failed. */
  next(position: number, step: 1 | -1): number {
    const all = this.all();
    if (!all.length) return NONE;
    if (position === NONE) return step === 1 ? 0 : all.length - 1;
    const place = all.indexOf(position);
    if (place >= 0) return (place + step + all.length) % all.length;
    if (step === 1 && this.hasFailed(position)) return all.indexOf(this.causeOf(position));
    return this.nearest(position, step);
  }

  /** The place of the first failure below a position, its own cause before all; NONE where there is none. */
  under(position: number): number {
    const own = this.causeOf(position);
    if (own !== position && this.hasFailed(position)) return this.all().indexOf(own);
    const place = this.nearest(position, 1);
    const at = place === NONE ? NONE : this.all()[place]!;
    return at > position && at < this.order.endOf(position) ? place : NONE;
  }

  /**
   * Where to go from a row, and what that is; null where there is nothing. `code` is its position, or below 0 where it
   * stands for many: those have no failure of their own, and `near` says where to look from.
   */
  goal(to: FailureAsk["to"], code: number | null, near: (step: 1 | -1) => number): Goal | null {
    const place = this.placeFrom(to, code, near);
    if (place === NONE) return null;
    const position = this.all()[place]!;
    return { position, said: this.words(place, position === code) };
  }

  /** What is said of a failure, so that a key that goes to it is always answered: there may be but one. */
  private words(place: number, isHere: boolean): string {
    const { length } = this.all();
    if (length === 1) return isHere ? "This is the only failure." : "The only failure.";
    const which = `Failure ${number(place + 1)} of ${number(length)}`;
    if (place === 0 && this.cause() !== NONE) return `${which}: why the play failed.`;
    return this.isCaught(place) ? `${which}: it was caught.` : `${which}.`;
  }

  private placeFrom(to: FailureAsk["to"], code: number | null, near: (step: 1 | -1) => number): number {
    if (to === "cause") return this.cause() === NONE ? NONE : 0;
    const step = to === "failure before" ? -1 : 1;
    if (code === null) return this.next(NONE, step);
    if (code < 0) return this.nearest(near(step), step);
    return to === "failure below" ? this.under(code) : this.next(code, step);
  }

  /** The place of the first in the order of the play after a position, or before it; around the end. */
  private nearest(position: number, step: 1 | -1): number {
    const { count } = this.order;
    const distance = (at: number): number => ((at - position) * step - 1 + count) % count;
    let nearest = NONE;
    const all = this.all();
    for (let place = 0; place < all.length; place++)
      if (nearest === NONE || distance(all[place]!) < distance(all[nearest]!)) nearest = place;
    return nearest;
  }

  private list(): Int32Array {
    const { order, spans } = this;
    const cause = this.cause();
    const isUnderOk = new Uint8Array(order.count);
    const free: number[] = [];
    const caught: number[] = [];
    for (let at = 0; at < order.count; at++) {
      const above = order.parents[at]!;
      if (above >= 0 && (isUnderOk[above] || spans.status[order.rows[above]!] === OK)) isUnderOk[at] = 1;
      if (at !== cause && this.isOwn(at)) (isUnderOk[at] ? caught : free).push(at);
    }
    const first = cause === NONE ? [] : [cause];
    this.caughtFrom = first.length + free.length;
    return Int32Array.from([...first, ...free, ...caught]);
  }

  private hasFailed(position: number): boolean {
    return this.spans.status[this.order.rows[position]!]! > WORST_OK;
  }

  /** The child that made a failed position fail; NONE where none did. */
  private below(position: number): number {
    if (!this.hasFailed(position)) return NONE;
    const { order } = this;
    if (order.failedIn(position + 1, order.endOf(position)) === 0) return NONE;
    let found = this.known.get(position) ?? UNKNOWN;
    if (found === UNKNOWN) {
      const children = this.children(position + 1, order.endOf(position));
      const row = order.rows[position]!;
      const sinceMs = this.heldOnUntil(position, children);
      found = this.last(children, this.spans.status[row]!, this.errorOf(position), sinceMs);
      this.known.set(position, found);
    }
    return found;
  }

  /** A child that failed before was caught: others were begun after it, or its parent went on alone. */
  private heldOnUntil(position: number, children: readonly number[]): number {
    const endMs = this.endOf(position);
    const soonMs = Math.max(SOON_MS, (endMs - this.startOf(position)) * SOON_PART);
    return children.reduce((last, child) => Math.max(last, this.startOf(child)), endMs - soonMs);
  }

  private children(from: number, to: number): number[] {
    const found: number[] = [];
    for (let at = from; at < to; at = this.order.endOf(at)) found.push(at);
    return found;
  }

  /** What stands above all else; spans whose parent never came only where nothing else does. */
  private tops(): number[] {
    const { order } = this;
    const tops = this.children(0, order.orphansFrom);
    return tops.some((at) => this.hasFailed(at)) ? tops : this.children(order.orphansFrom, order.count);
  }

  /**
   * Of siblings the one whose failure was that of what is above them: the last of those with its error, or else of those
   * that failed after `sinceMs`. What ended as the parent did comes before what was cancelled by it.
   */
  private last(siblings: readonly number[], status: number, error: string, sinceMs: number): number {
    let found = NONE;
    let foundRank = 0;
    for (const at of siblings) {
      if (!this.hasFailed(at)) continue;
      const own = this.errorOf(at);
      const isSame = own !== "" && (own === error || own === this.playError);
      if (!isSame && this.endOf(at) < sinceMs) continue;
      const ended = this.spans.status[this.order.rows[at]!]!;
      const rank = (isSame ? 20 : 0) + (ended === status ? 10 : ended);
      if (rank > foundRank || (rank === foundRank && this.endOf(at) >= this.endOf(found)))
        [found, foundRank] = [at, rank];
    }
    return found;
  }

  /** Where nothing failed up to a root, as when a span outlived its parent: the last that says what the play says. */
  private ownWithTheErrorOfThePlay(): number {
    if (!this.playError) return NONE;
    let found = NONE;
    for (let at = 0; at < this.order.count; at++)
      if (this.isOwn(at) && this.errorOf(at) === this.playError) found = at;
    return found;
  }

  private errorOf(position: number): string {
    return said(this.spans.errors.get(this.order.rows[position]!) ?? "");
  }

  private startOf(position: number): number {
    return this.spans.start[this.order.rows[position]!]!;
  }

  private endOf(position: number): number {
    return this.spans.endAt(this.order.rows[position]!, Infinity);
  }
}

/** The line of an error that says what it is. */
function said(error: string): string {
  return error.split("\n", 1)[0]!.trim();
}
