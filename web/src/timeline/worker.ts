/** The worker: it owns the columns of a play, reads them from the service, and answers the page. */

import type { SpanNews } from "../rpc/documents.ts";
import { ColumnDecoder } from "./columns.ts";
import { Engine, type Parts } from "./engine.ts";
import { type Ask, isFailureAsk, type Said, type Sent, type Tell } from "./messages.ts";

const LEAST_PAUSE_MS = 30;
/** The order is made anew so seldom that it takes a quarter of the time at most. */
const PAUSE_FACTOR = 3;

/** Loaded when they are first needed, and kept from one play to the next. */
const parts: Parts = {};
let engine = new Engine(parts);
let flow = "";
let timer: ReturnType<typeof setTimeout> | null = null;
let lastTookMs = 0;
let reading: AbortController | null = null;
let latestMs = 0;

function say(said: Said, transfer: Transferable[] = []): void {
  self.postMessage(said, { transfer });
}

function tell(message: Tell): void {
  say({ tell: message });
}

/** Put what came in order soon; at once where it has been long. */
function schedule(): void {
  if (timer !== null) return;
  timer = setTimeout(refresh, Math.max(LEAST_PAUSE_MS, lastTookMs * PAUSE_FACTOR));
}

function refresh(): void {
  if (timer !== null) clearTimeout(timer);
  timer = null;
  const beganMs = performance.now();
  if (engine.refresh(Date.now())) tell({ kind: "totals", totals: engine.totals(), latestMs });
  lastTookMs = performance.now() - beganMs;
}

function takeNews(spans: readonly SpanNews[]): void {
  engine.spans.addNews(spans);
  latestMs = spans[spans.length - 1]?.start_ms ?? latestMs;
}

function decoder(serverMs: number): ColumnDecoder {
  let isFirst = true;
  return new ColumnDecoder({
    head(head) {
      flow = String(head.play["flow"] ?? "");
      engine.expect(Number(head.play["span_count"] ?? 0));
      tell({ kind: "head", play: head.play, serverMs });
    },
    names: (names) => engine.spans.addNames(names),
    block(block) {
      engine.spans.addBlock(block);
      if (isFirst) refresh();
      else schedule();
      isFirst = false;
    },
    done({ revision }) {
      engine.isLoaded = true;
      engine.spans.version++;
      refresh();
      tell({ kind: "done", revision });
    },
  });
}

async function open(path: string): Promise<void> {
  reading?.abort();
  const abort = (reading = new AbortController());
  engine = new Engine(parts);
  try {
    const response = await fetch(path, { signal: abort.signal });
    if (!response.ok || !response.body) {
      tell({ kind: "trouble", status: response.status, message: await refusal(response) });
      return;
    }
    const columns = decoder(Date.parse(response.headers.get("date") ?? ""));
    const reader = response.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) columns.push(next.value);
    columns.finish();
  } catch (trouble) {
    if (abort.signal.aborted) return;
    tell({
      kind: "trouble",
      status: 0,
      message: trouble instanceof Error ? trouble.message : String(trouble),
    });
  }
}

async function refusal(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error: { message: string; hint?: string } };
    return error.hint ? `${error.message} ${error.hint}` : error.message;
  } catch {
    return `the server answered with ${response.status}`;
  }
}

function readBytes(bytes: ArrayBuffer): void {
  engine = new Engine(parts);
  const columns = decoder(NaN);
  columns.push(new Uint8Array(bytes));
  columns.finish();
}

/** What an ask is answered with, or will be; undefined where nobody waits. What is seldom asked is loaded then. */
function answerTo(ask: Ask): unknown {
  switch (ask.kind) {
    case "open":
      void open(ask.path);
      return undefined;
    case "bytes":
      readBytes(ask.bytes);
      return undefined;
    case "news":
      for (const document of ask.documents) takeNews(JSON.parse(document).spans);
      schedule();
      return undefined;
    case "view":
      return engine.view(ask);
    case "fold":
      return engine.fold(ask);
    case "totals":
      return engine.totals();
    case "go":
      if (parts.failures || !isFailureAsk(ask)) return engine.go(ask);
      return import("./failures.ts").then((failures) => ((parts.failures = failures), engine.go(ask)));
    case "find":
      return import("./matches.ts").then((matches) => {
        parts.matches = matches;
        engine.find(ask.text, ask.others);
        return engine.totals();
      });
    case "path":
      return import("./critical.ts").then((critical) => {
        parts.critical = critical;
        engine.setPath(ask.isOn, ask.nowMs);
        return engine.totals();
      });
    case "names":
      return import("./names.ts").then(({ nameTable }) => nameTable(engine.order, engine.spans, ask.nowMs));
    case "flame":
      return import("./flame.ts").then(({ flameOf }) => ({
        flame: flameOf(engine.order, engine.spans, ask.nowMs),
        names: engine.spans.names,
      }));
    case "density":
      return engine.density(ask.fromMs, ask.toMs, ask.parts);
    case "span":
      if (parts.facts) return engine.facts(ask.key);
      return import("./facts.ts").then((facts) => ((parts.facts = facts), engine.facts(ask.key)));
    case "trace":
      return import("./chrome.ts").then(
        ({ chromeTrace }) =>
          new Blob([...chromeTrace(engine.order, engine.spans, flow, ask.nowMs)], {
            type: "application/json",
          }),
      );
  }
}

self.onmessage = ({ data }: MessageEvent<Sent>): void => {
  const answer = answerTo(data.ask);
  if (answer instanceof Promise)
    answer.then(
      (later: unknown) => say({ id: data.id, answer: later }),
      (trouble: unknown) => tell({ kind: "trouble", status: 0, message: String(trouble) }),
    );
  else if (answer !== undefined) say({ id: data.id, answer });
};
