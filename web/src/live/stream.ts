// Server-sent events, read by hand: an EventSource hides the status of an answer, so that a session that is over looks
// like a server that is away. Free of the DOM: a worker can use it too.
//
// The id of an event is a revision of the store: everything up to it was told. A stream that breaks off goes on after
// the last one, so that nothing is missed and nothing comes twice (docs/rpc.md, "Events").

/** How a stream stands. `refused`: a login is needed; `gone`: what was watched is not there. */
export type StreamState = "connecting" | "live" | "lost" | "ended" | "refused" | "gone";

export interface StreamEvent {
  id: number;
  name: string;
  data: string;
}

export interface StreamOptions {
  /** Where, with no query. */
  path: string;
  /** Everything up to this revision is known; null: begin now (all plays alone). */
  after: number | null;
  /** The events of one piece of the answer: many at a time while much happens. */
  onEvents: (events: StreamEvent[]) => void;
  onState: (state: StreamState) => void;
  signal: AbortSignal;
}

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;

/** Read a stream until it is over, or `signal` says so; what breaks off is taken up again. */
export async function readStream(options: StreamOptions): Promise<void> {
  let after = options.after;
  let pauseMs = FIRST_PAUSE_MS;
  options.onState("connecting");
  while (!options.signal.aborted) {
    const outcome = await readOnce(options, after, (events) => {
      after = events[events.length - 1]!.id;
      pauseMs = FIRST_PAUSE_MS;
      options.onEvents(events);
    });
    if (options.signal.aborted) return;
    options.onState(outcome);
    if (outcome !== "lost") return;
    await pause(pauseMs, options.signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function readOnce(
  { path, onState, signal }: StreamOptions,
  after: number | null,
  onEvents: (events: StreamEvent[]) => void,
): Promise<StreamState> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (after !== null) headers["Last-Event-ID"] = String(after);
  try {
    const response = await fetch(path, { headers, signal, cache: "no-store" });
    if (response.status === 204) return "ended";
    if (response.status === 401) return "refused";
    if (response.status === 404) return "gone";
    if (!response.ok || !response.body) return "lost";
    onState("live");
    const parser = new EventParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "lost";
      const events = parser.push(value);
      if (events.length) onEvents(events);
      if (events.some((event) => event.name === "end")) return "ended";
    }
  } catch {
    return "lost";
  }
}

/** Text in any pieces -> whole events. The server writes one line of data an event, and ends lines with a newline. */
export class EventParser {
  #rest = "";
  #id = -1;
  #name = "";
  #data = "";

  push(text: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (line === "") {
        if (this.#name) events.push({ id: this.#id, name: this.#name, data: this.#data });
        this.#name = this.#data = "";
      } else if (line.startsWith("data: ")) this.#data = line.slice(6);
      else if (line.startsWith("event: ")) this.#name = line.slice(7);
      else if (line.startsWith("id: ")) this.#id = Number(line.slice(4));
    }
    return events;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
