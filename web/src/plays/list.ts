// The plays that are shown, live. The stream is opened first and the page read after it: what changes in between comes
// by the stream, and what comes by both is the same.

import { signal } from "@preact/signals";
import { readStream, type StreamEvent } from "../live/stream.ts";
import { call } from "../rpc/client.ts";
import { sessionIsOver } from "../rpc/session.ts";
import type { PlayNews, PlaySummary } from "../rpc/documents.ts";
import { connection } from "../ui/connection.tsx";
import { fits, listParams, type Filter } from "./filter.ts";

const PAGE = 200;
const AGAIN_MS = 700;

interface Page {
  plays: PlaySummary[];
  next: string | null;
}

export class PlayList {
  readonly rows = signal<readonly PlaySummary[]>([]);
  /** Whether older plays are still to be read. */
  readonly hasMore = signal(false);
  readonly isLoading = signal(true);
  readonly problem = signal<unknown>(null);
  /** How many rows were put in front at the last change: what is scrolled stays where it is. */
  put = 0;

  #next: string | null = null;
  #filter: Filter;
  #revisions = new Map<string, number>();
  #stopping = new AbortController();
  #reading = new AbortController();
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(filter: Filter) {
    this.#filter = filter;
  }

  /** Open the stream, and read the first page whenever it is open anew. */
  start(): void {
    void readStream({
      path: "/events",
      after: null,
      signal: this.#stopping.signal,
      onEvents: (events) => this.take(events),
      onState: (state) => {
        connection.value = state;
        if (state === "refused") sessionIsOver();
        if (state === "live" || (state === "lost" && this.isLoading.peek())) void this.read();
      },
    });
  }

  stop(): void {
    this.#stopping.abort();
    this.#reading.abort();
    clearTimeout(this.#again);
    connection.value = "";
  }

  /** Other plays are wanted. */
  want(filter: Filter): void {
    this.#filter = filter;
    void this.read();
  }

  /** The first page, in place of what is there. */
  async read(): Promise<void> {
    clearTimeout(this.#again);
    this.#reading.abort();
    const reading = (this.#reading = new AbortController());
    this.isLoading.value = true;
    await this.#page(null, reading, (page) => (this.rows.value = page.plays));
  }

  /** The page after what is there. */
  async more(): Promise<void> {
    if (!this.hasMore.peek() || this.isLoading.peek()) return;
    this.isLoading.value = true;
    await this.#page(this.#next, this.#reading, (page) => {
      const known = new Set(this.rows.peek().map((play) => play.sid));
      this.rows.value = [...this.rows.peek(), ...page.plays.filter((play) => !known.has(play.sid))];
    });
  }

  async #page(before: string | null, reading: AbortController, take: (page: Page) => void): Promise<void> {
    try {
      const params = { ...listParams(this.#filter, Date.now()), limit: PAGE, ...(before && { before }) };
      const page = await call<Page>("play_list", params, reading.signal);
      if (reading.signal.aborted) return;
      this.put = 0;
      take(page);
      this.#next = page.next;
      this.hasMore.value = page.next !== null;
      this.problem.value = null;
    } catch (error) {
      if (reading.signal.aborted) return;
      this.problem.value = error;
    }
    this.isLoading.value = false;
  }

  /** What the stream tells: the last word on each play of a piece, put into the list at once. */
  take(events: StreamEvent[]): void {
    const told = new Map<string, PlayNews>();
    for (const { name, data } of events) {
      if (name === "reset") return void this.read();
      if (name !== "play") continue;
      const { play } = JSON.parse(data) as { play: PlayNews };
      if ((this.#revisions.get(play.sid) ?? 0) > play.revision) continue;
      this.#revisions.set(play.sid, play.revision);
      told.set(play.sid, play);
    }
    if (told.size) this.#put(told);
  }

  #put(told: Map<string, PlayNews>): void {
    const now = Date.now();
    const rows: PlaySummary[] = [];
    for (const row of this.rows.peek()) {
      const news = told.get(row.sid);
      told.delete(row.sid);
      if (!news) rows.push(row);
      else if (fits(news, this.#filter, now)) rows.push(news);
    }
    const added: PlaySummary[] = [];
    const oldest = this.hasMore.peek() ? (rows[rows.length - 1]?.created_ms ?? 0) : 0;
    for (const play of told.values()) {
      const isFitting = play.created_ms >= oldest && fits(play, this.#filter, now);
      if (isFitting === "perhaps") this.#readSoon();
      else if (isFitting) added.push(play);
    }
    this.put = added.length;
    if (!added.length) this.rows.value = rows;
    else this.rows.value = [...added, ...rows].sort((a, b) => b.created_ms - a.created_ms);
  }

  #readSoon(): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => void this.read(), AGAIN_MS);
  }
}
