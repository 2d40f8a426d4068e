/**
 * What is seen of a play, and how that changes: signals for the views, and the worker that has the play itself.
 *
 * Scrolling and zooming change a number here and are drawn at once with what is known; what is then missing is asked
 * of the worker, one question at a time, so that a slow answer never makes a queue.
 */

import { batch, signal } from "@preact/signals";
import type { LiveStore } from "../live/store.ts";
import { sessionIsOver } from "../rpc/session.ts";
import { hasEnded, type PlayNews, type SpanNews } from "../rpc/documents.ts";
import type {
  Answers,
  Ask,
  FailureAsk,
  FoldAsk,
  GoAsk,
  Place,
  RowKey,
  Said,
  Tell,
  Totals,
  View,
} from "./messages.ts";

export const ROW_PX = 26;
/** Rows that are asked for beyond those that are seen, on each side. */
const SPARE_ROWS = 12;
const LEAST_RANGE_MS = 0.001;
const FIND_PAUSE_MS = 120;
const LOOK_AGAIN_MS = 250;
const SAID_MS = 5000;
const STILL_MS = 1000;
/** A clock that differs by more is another clock, and not the time that an answer took. */
const CLOCKS_DIFFER_MS = 2500;

export type Mode = "tree" | "flame" | "table";

export interface Range {
  readonly fromMs: number;
  readonly toMs: number;
}

const NO_TOTALS: Totals = {
  version: 0,
  count: 0,
  failed: 0,
  running: 0,
  orphans: 0,
  rows: 0,
  minMs: Infinity,
  maxMs: -Infinity,
  isLoaded: false,
  matches: 0,
  pathNames: [],
};

export class Model {
  readonly totals = signal<Totals>(NO_TOTALS);
  readonly view = signal<View | null>(null);
  /** The first row that is seen, with a fraction. */
  readonly scroll = signal(0);
  readonly selected = signal<RowKey>("");
  readonly hovered = signal<RowKey>("");
  readonly mode = signal<Mode>("tree");
  readonly text = signal("");
  /** Whether the server still looks in tags and logs. */
  readonly isFinding = signal(false);
  readonly isPathOn = signal(false);
  readonly trouble = signal("");
  readonly head = signal<PlayNews | null>(null);
  /** The server's time when the last frame was drawn: whatever it shows of a time that goes on is read from here. */
  readonly frameMs = signal(0);
  /** What is said for a while, to eyes and ears. */
  readonly said = signal("");
  /** The last span as the stream told it, where it is the selected one. */
  readonly news = signal<SpanNews | null>(null);
  /** null: all of the play, and more as it grows. */
  readonly zoomed = signal<Range | null>(null);
  /** How high the room for the rows is. */
  readonly height = signal(400);
  width = 600;

  readonly #worker: Worker;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #nextId = 1;
  #isAsking = false;
  /** Rises whenever rows were moved on purpose: a view from before has then nothing to be held at. */
  #placed = 0;
  #viewPlaced = 0;
  #broughtKey: RowKey = "";
  #broughtIndex = -1;
  #isStale = true;
  #clockMs = 0;
  #frame = 0;
  #findTimer = 0;
  #finding: AbortController | null = null;
  /** A play that failed opens with what made it fail, once that is here and unless something else was chosen. */
  #isCauseWanted = false;
  #wantedSpan = "";
  #stop: (() => void)[] = [];
  #isPainted = false;
  #isReady = false;
  #saidTimer = 0;
  #stillTimer = 0;
  #pathAskedMs = 0;
  #lookedMs = 0;
  readonly #painters = new Set<() => void>();

  constructor(readonly live: LiveStore) {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "timeline" });
    this.#worker.onmessage = ({ data }: MessageEvent<Said>): void => this.#hear(data);
    this.#worker.onerror = (): void => {
      this.trouble.value = "The part of the page that holds the spans has failed. Reload the page.";
    };
    this.#stop.push(
      live.subscribe({
        onSpans: (documents) => this.#hand(documents),
        onReset: () => this.open(),
      }),
      live.status.subscribe(() => {
        this.redraw();
        // It has failed before somebody's eyes.
        if (this.totals.value.isLoaded) this.#wantCause();
      }),
    );
  }

  /** Read the play from the service. */
  open(): void {
    this.trouble.value = "";
    void this.ask({ kind: "open", path: this.live.columnsPath });
  }

  close(): void {
    for (const stop of this.#stop) stop();
    this.#worker.terminate();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#findTimer);
    clearTimeout(this.#saidTimer);
    clearTimeout(this.#stillTimer);
    this.#finding?.abort();
  }

  /** Say something that is gone after a while. */
  say(words: string): void {
    clearTimeout(this.#saidTimer);
    this.said.value = words;
    this.#saidTimer = window.setTimeout(() => (this.said.value = ""), SAID_MS);
  }

  /** Be called before each frame in which something changed; the function that is returned ends it. */
  onFrame(paint: () => void): () => void {
    this.#painters.add(paint);
    return () => this.#painters.delete(paint);
  }

  /** The server's time, as well as it is known. */
  nowMs(): number {
    return Date.now() + this.#clockMs;
  }

  get isRunning(): boolean {
    const status = this.live.status.value;
    return status !== "" && !hasEnded(status);
  }

  /** From the first span to the last, or to now; where there is none, what is known of the play. */
  extent(): Range {
    const { minMs, maxMs } = this.totals.value;
    const play = this.live.play.value ?? this.head.value;
    const fromMs = Number.isFinite(minMs) ? minMs : (play?.start_ms ?? NaN);
    let toMs = Number.isFinite(maxMs) ? maxMs : (play?.end_ms ?? fromMs);
    if (this.isRunning) toMs = Math.max(toMs, this.frameMs.peek() || this.nowMs());
    if (!Number.isFinite(fromMs) || !Number.isFinite(toMs)) return { fromMs: 0, toMs: 1 };
    return { fromMs, toMs: Math.max(toMs, fromMs + LEAST_RANGE_MS) };
  }

  range(): Range {
    return this.zoomed.value ?? this.extent();
  }

  /** What is asked of the worker and answered. */
  ask<K extends keyof Answers>(ask: Extract<Ask, { kind: K }>): Promise<Answers[K]>;
  ask(ask: Ask): Promise<unknown>;
  ask(ask: Ask): Promise<unknown> {
    const id = this.#nextId++;
    this.#worker.postMessage({ id, ask });
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  // --- moving ---------------------------------------------------------------------------------------

  scrollTo(row: number): void {
    const most = Math.max(0, this.totals.value.rows - this.seenRows() + 1);
    this.scroll.value = Math.max(0, Math.min(most, row));
    this.redraw();
  }

  /** The room for rows has changed; what is chosen stays in sight if it was, as when its details open below it. */
  resize(width: number, height: number): void {
    const index = this.#indexOfSelected();
    const wasSeen = index >= this.scroll.value && index <= this.scroll.value + this.seenRows() - 1;
    this.width = width;
    this.height.value = height;
    this.scrollTo(this.scroll.value);
    const over = index + 2 - (this.scroll.value + this.seenRows());
    if (wasSeen && over > 0) this.scrollTo(Math.min(index, this.scroll.value + over));
  }

  /** As far as it is known; -1. */
  #indexOfSelected(): number {
    const key = this.selected.value;
    const view = this.view.value;
    const at = key && view ? view.rows.findIndex((row) => row.key === key) : -1;
    if (view && at >= 0) return view.first + at;
    return key && key === this.#broughtKey ? this.#broughtIndex : -1;
  }

  seenRows(): number {
    return this.height.value / ROW_PX;
  }

  /** Show the time from one moment to another; not outside of the play, and not narrower than a microsecond. */
  show(fromMs: number, toMs: number): void {
    const extent = this.extent();
    const whole = extent.toMs - extent.fromMs;
    const wide = Math.min(whole, Math.max(LEAST_RANGE_MS, toMs - fromMs));
    if (wide >= whole * 0.9999) {
      this.zoomed.value = null;
    } else {
      const from = Math.max(extent.fromMs, Math.min(extent.toMs - wide, fromMs));
      this.zoomed.value = { fromMs: from, toMs: from + wide };
    }
    this.redraw();
  }

  /** Make what is seen wider (above 1) or narrower; what is at `at` (0: left, 1: right) stays there. */
  zoom(factor: number, at = 0.5): void {
    const { fromMs, toMs } = this.range();
    const middle = fromMs + (toMs - fromMs) * at;
    const wide = (toMs - fromMs) * factor;
    this.show(middle - wide * at, middle + wide * (1 - at));
  }

  /** Move by a part of what is seen. */
  pan(part: number): void {
    const { fromMs, toMs } = this.range();
    if (!this.zoomed.value) return;
    const by = (toMs - fromMs) * part;
    this.show(fromMs + by, toMs + by);
  }

  /** Show a span with some room on both sides. */
  fit(startMs: number, endMs: number): void {
    const end = Number.isNaN(endMs) ? this.nowMs() : endMs;
    const room = Math.max((end - startMs) * 0.15, LEAST_RANGE_MS);
    this.show(startMs - room, end + room);
  }

  // --- choosing -------------------------------------------------------------------------------------

  select(key: RowKey): void {
    this.#isCauseWanted = false;
    if (this.selected.value === key) return;
    batch(() => {
      this.selected.value = key;
      this.news.value = null;
    });
    this.redraw();
  }

  /** Go to a row and have it in sight. */
  async go(ask: GoAsk, isCentred = true): Promise<Place> {
    const place = await this.ask<"go">(ask);
    this.refresh(await this.ask<"totals">({ kind: "totals" }));
    if (place.key) {
      this.select(place.key);
      this.#bringInSight(place, isCentred);
    }
    return place;
  }

  /** From one failure to the next; what is said of it is seen too, since where there is but one nothing else changes. */
  async goToFailure(to: FailureAsk["to"]): Promise<void> {
    const before = this.selected.value;
    this.mode.value = "tree";
    const { said } = await this.go({ kind: "go", to, from: before, error: this.#errorOfPlay() });
    this.say(said ?? "Nothing has failed.");
  }

  async nextMatch(step: 1 | -1): Promise<void> {
    const place = await this.go({ kind: "go", to: "match", from: this.selected.value, step });
    if (!place.key) this.say("No span fits.");
  }

  /** Up and down by rows. */
  async step(by: number): Promise<void> {
    await this.go({ kind: "go", to: "row", from: this.selected.value, step: by }, false);
  }

  /** Fold or unfold a row, or with none all of them. What is chosen stays where it is on the screen. */
  async fold(how: FoldAsk["how"], key: RowKey = ""): Promise<void> {
    const { value: top } = this.scroll;
    const asked = this.selected.value;
    const { totals, chosen, indexBefore } = await this.ask<"fold">({ kind: "fold", how, key, chosen: asked });
    this.refresh(totals);
    if (!chosen.key || this.selected.value !== asked) return;
    this.select(chosen.key);
    // What a hand folds stays under that hand.
    if (key) return;
    const wasSeen = indexBefore >= top && indexBefore < top + this.seenRows() - 1;
    if (wasSeen) this.scrollTo(top + chosen.index - indexBefore);
    this.#bringInSight(chosen, false);
  }

  /** Look for a text, a moment after it was typed. */
  find(text: string): void {
    this.text.value = text;
    clearTimeout(this.#findTimer);
    this.#findTimer = window.setTimeout(() => void this.findNow(), FIND_PAUSE_MS);
  }

  /** In the columns at once; then in the tags and logs, which the server has, as far as it has looked. */
  async findNow(): Promise<void> {
    clearTimeout(this.#findTimer);
    this.#finding?.abort();
    const finding = (this.#finding = new AbortController());
    this.isFinding.value = false;
    await import("./finding.ts").then(
      ({ findIn }) => (finding.signal.aborted ? undefined : findIn(this, finding.signal)),
      () => this.say("Nothing can be found: the server does not answer."),
    );
    if (this.#finding === finding) this.isFinding.value = false;
  }

  async togglePath(): Promise<void> {
    this.isPathOn.value = !this.isPathOn.value;
    const isOn = this.isPathOn.value;
    this.refresh(await this.ask<"path">({ kind: "path", isOn, nowMs: this.nowMs() }));
  }

  /** Go to that span once it has come. */
  want(spanId: string): void {
    this.#wantedSpan = spanId;
  }

  // --- drawing --------------------------------------------------------------------------------------

  /** Draw with the next frame. */
  redraw(): void {
    this.#isStale = true;
    this.#wake();
  }

  /** Say that what was to be seen first has been drawn. */
  painted(rows: number): void {
    if (!this.#isPainted && rows) {
      this.#isPainted = true;
      performance.mark("hero:painted");
    }
    const { isLoaded, count } = this.totals.value;
    if (this.#isReady || !(this.#isPainted || (isLoaded && count === 0))) return;
    this.#isReady = true;
    performance.mark("hero:ready");
  }

  #wake(): void {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#update();
    });
  }

  #update(): void {
    this.frameMs.value = this.nowMs();
    // What is folded grows too while it runs.
    if (this.isRunning && performance.now() - this.#lookedMs > LOOK_AGAIN_MS) this.#isStale = true;
    if (this.#isStale && !this.#isAsking) void this.#look();
    for (const paint of this.#painters) paint();
    if (this.isPathOn.value && this.isRunning && performance.now() - this.#pathAskedMs > 500)
      this.#renewPath();
    if (!this.isRunning) return;
    // Without motion what runs is told anew once a second: its time is a fact, that it slides is not.
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.#wake();
    else {
      clearTimeout(this.#stillTimer);
      this.#stillTimer = window.setTimeout(() => this.#wake(), STILL_MS);
    }
  }

  #renewPath(): void {
    this.#pathAskedMs = performance.now();
    void this.ask<"path">({ kind: "path", isOn: true, nowMs: this.nowMs() }).then((totals) =>
      this.refresh(totals),
    );
  }

  /** Ask for what is to be seen; again, where that changed meanwhile. */
  async #look(): Promise<void> {
    this.#isAsking = true;
    this.#isStale = false;
    this.#lookedMs = performance.now();
    const top = Math.floor(this.scroll.value);
    const first = Math.max(0, top - SPARE_ROWS);
    const { fromMs, toMs } = this.range();
    const placed = this.#placed;
    const view = await this.ask<"view">({
      kind: "view",
      first,
      count: Math.ceil(this.seenRows()) + 2 * SPARE_ROWS,
      // Some more on both sides: it is there when one pans.
      fromMs: fromMs - (toMs - fromMs) / 2,
      toMs: toMs + (toMs - fromMs) / 2,
      pixels: Math.min(4096, Math.ceil(this.width * 2)),
      nowMs: this.nowMs(),
      selected: this.selected.value,
      anchor: placed === this.#viewPlaced ? this.#anchorAt(first) : "",
    });
    this.#isAsking = false;
    this.#viewPlaced = placed;
    batch(() => {
      if (view.shift && placed === this.#placed && this.scroll.value >= 1)
        this.scroll.value = Math.max(0, this.scroll.value + view.shift);
      this.view.value = view;
    });
    this.#wake();
    if (this.#isStale) this.#wake();
  }

  /** The key of the row that was at an index, where it is known; at the top nothing is held. */
  #anchorAt(index: number): RowKey {
    const view = this.view.value;
    if (!view || this.scroll.value < 1) return "";
    return view.rows[index - view.first]?.key ?? "";
  }

  /** Know how the play stands; an older word changes nothing. */
  refresh(totals: Totals): void {
    if (totals.version < this.totals.value.version) return;
    this.totals.value = totals;
    this.redraw();
  }

  #bringInSight(place: Place, isCentred: boolean): void {
    this.#placed++;
    [this.#broughtKey, this.#broughtIndex] = [place.key, place.index];
    const seen = Math.floor(this.seenRows());
    const { value: top } = this.scroll;
    const isSeen = place.index >= top && place.index < top + seen - 1;
    if (!isSeen) {
      if (isCentred) this.scrollTo(place.index - Math.floor(seen / 3));
      else this.scrollTo(place.index < top ? place.index : place.index - seen + 2);
    }
    const zoomed = this.zoomed.value;
    if (!zoomed || !isCentred || Number.isNaN(place.startMs)) return;
    const end = Number.isNaN(place.endMs) ? this.nowMs() : place.endMs;
    if (end < zoomed.fromMs || place.startMs > zoomed.toMs) this.fit(place.startMs, end);
  }

  /** Give what the stream told to the worker; here only what speaks of the span that is shown is read, at once. */
  #hand(documents: readonly string[]): void {
    this.#post({ kind: "news", documents });
    const key = this.selected.value;
    if (!key.startsWith("s")) return;
    const named = `"ordinal":${key.slice(1)}`;
    for (const document of documents) {
      if (!document.includes(`${named},`) && !document.includes(`${named}}`)) continue;
      for (const span of JSON.parse(document).spans as SpanNews[])
        if (`s${span.ordinal}` === key) this.news.value = span;
    }
  }

  #post(ask: Ask): void {
    this.#worker.postMessage({ id: 0, ask });
  }

  #hear(said: Said): void {
    if ("tell" in said) return this.#told(said.tell);
    const resolve = this.#waiting.get(said.id);
    this.#waiting.delete(said.id);
    resolve?.(said.answer);
  }

  #told(tell: Tell): void {
    if (tell.kind === "head") {
      const play = tell.play as unknown as PlayNews;
      if (Math.abs(tell.serverMs - Date.now()) > CLOCKS_DIFFER_MS) this.#clockMs = tell.serverMs - Date.now();
      this.head.value = play;
      this.live.tell(play);
    } else if (tell.kind === "totals") {
      // A clock of the server that is ahead of ours shows in what it tells.
      if (tell.latestMs > this.nowMs()) this.#clockMs = tell.latestMs - Date.now();
      this.refresh(tell.totals);
      if (this.#wantedSpan) void this.#goToWanted();
      else if (this.#isCauseWanted) void this.#goToCause();
    } else if (tell.kind === "done") {
      if (!this.totals.value.isLoaded) this.refresh({ ...this.totals.value, isLoaded: true });
      const play = this.head.value;
      // What was written up to its end is in the columns: a stream would have nothing to tell.
      if (play && hasEnded(play.status) && play.revision <= tell.revision) this.live.finish(tell.revision);
      else this.live.follow(tell.revision);
      this.#wantCause();
    } else if (tell.status === 401) {
      sessionIsOver();
    } else {
      this.trouble.value = tell.status ? tell.message : `the server does not answer (${tell.message})`;
    }
  }

  async #goToWanted(): Promise<void> {
    const spanId = this.#wantedSpan;
    const place = await this.ask<"go">({ kind: "go", to: "id", spanId });
    if (!place.key || this.#wantedSpan !== spanId) return;
    this.#wantedSpan = "";
    await this.go({ kind: "go", to: "span", row: place.row });
  }

  /** Of a play that failed, why it did is shown first. */
  #wantCause(): void {
    const status = this.live.status.value;
    this.#isCauseWanted = !this.selected.value && !this.#wantedSpan && hasEnded(status) && status !== "ok";
    if (this.#isCauseWanted) void this.#goToCause();
  }

  async #goToCause(): Promise<void> {
    const ask: FailureAsk = { kind: "go", to: "cause", from: "", error: this.#errorOfPlay() };
    const place = await this.ask<"go">(ask);
    if (place.key && this.#isCauseWanted) await this.go({ kind: "go", to: "span", row: place.row });
  }

  #errorOfPlay(): string {
    return this.live.play.value?.error ?? this.head.value?.error ?? "";
  }
}
