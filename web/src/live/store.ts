// One play, live: its facts as signals, its spans as batches for who subscribes.
//
// How the timeline uses it:
//   1. read `columnsPath` (a worker may fetch it itself); give `head.play` to `tell`;
//   2. `subscribe` for rows and for resets;
//   3. with the revision of the `done` frame `follow(revision)`: the stream goes on from there, without gap or repeat.
// A play that is over opens no stream: `connection` is then "ended". After `onReset` what is known is to be forgotten,
// the columns read again, and `follow` called again.

import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { sessionIsOver } from "../rpc/session.ts";
import { hasEnded, type PlayNews } from "../rpc/documents.ts";
import { readStream, type StreamEvent, type StreamState } from "./stream.ts";

export type Connection = StreamState | "idle";

export interface SpanListener {
  /**
   * Spans that are new or have changed, each whole, in order of revision: documents as they were told, `{"spans": [...]}`,
   * so that whoever has the time reads them (docs/rpc.md, "Events"). At most one call a piece of the stream.
   */
  onSpans: (documents: string[]) => void;
  /** What is known is out of date: read the columns again. */
  onReset?: () => void;
}

export class LiveStore {
  readonly columnsPath: string;
  readonly play: ReadonlySignal<PlayNews | null>;
  /** The play's status; "" until it is known. */
  readonly status: ReadonlySignal<string>;
  /** Everything up to it was told. */
  readonly revision: ReadonlySignal<number>;
  readonly connection: ReadonlySignal<Connection>;
  /** Whether the play was deleted while it was watched. */
  readonly isDeleted: ReadonlySignal<boolean>;

  #play: Signal<PlayNews | null> = signal(null);
  #status = signal("");
  #revision = signal(0);
  #connection: Signal<Connection> = signal("idle");
  #isDeleted = signal(false);
  #listeners = new Set<SpanListener>();
  #following: AbortController | null = null;

  constructor(readonly sid: string) {
    this.columnsPath = `/plays/${encodeURIComponent(sid)}/columns`;
    this.play = this.#play;
    this.status = this.#status;
    this.revision = this.#revision;
    this.connection = this.#connection;
    this.isDeleted = this.#isDeleted;
  }

  /** The play as it stands; an older word changes nothing. */
  tell(play: PlayNews): void {
    if (this.#play.value && this.#play.value.revision > play.revision) return;
    this.#play.value = play;
    this.#status.value = play.status;
  }

  /** Hear of spans from now on; the function that is returned ends it. */
  subscribe(listener: SpanListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The binary columns of the play as they stand, piece by piece. */
  async columns(signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await fetch(this.columnsPath, { ...(signal && { signal }) });
    if (response.status === 401) sessionIsOver();
    if (!response.ok || !response.body) throw new Error(`columns: ${response.status}`);
    return response.body;
  }

  /** Go on from a revision up to which everything is known. */
  follow(after: number): void {
    this.#following?.abort();
    this.#revision.value = after;
    const following = (this.#following = new AbortController());
    void readStream({
      path: `/plays/${encodeURIComponent(this.sid)}/events`,
      after,
      signal: following.signal,
      onEvents: (events) => this.#take(events),
      onState: (state) => {
        this.#connection.value = state;
        if (state === "refused") sessionIsOver();
      },
    });
  }

  /** Say that all of a play that is over is known: there is nothing to follow. */
  finish(revision: number): void {
    this.#following?.abort();
    this.#revision.value = revision;
    this.#connection.value = "ended";
  }

  /** Watch no more. */
  close(): void {
    this.#following?.abort();
    this.#listeners.clear();
  }

  #take(events: StreamEvent[]): void {
    let spans: string[] = [];
    for (const { id, name, data } of events) {
      if (name === "span") spans.push(data);
      else if (name === "play") this.tell(JSON.parse(data).play);
      else if (name === "end") this.#end(JSON.parse(data).status);
      else if (name === "reset") {
        spans = [];
        for (const listener of this.#listeners) listener.onReset?.();
      }
      this.#revision.value = id;
    }
    if (spans.length) for (const listener of this.#listeners) listener.onSpans(spans);
  }

  #end(status: string): void {
    if (status === "deleted") this.#isDeleted.value = true;
    else if (hasEnded(status)) this.#status.value = status;
  }
}
