/** A play to take along: as JSON, as a Chrome trace, as one HTML page. Loaded when it is first asked for. */

import { call } from "../rpc/client.ts";
import type { PlayFacts } from "../rpc/documents.ts";
import type { WholeSpan } from "./details.tsx";
import { documentOf, MOST_SPANS, type TakenSpan } from "./document.ts";
import type { Model } from "./model.ts";

const PAGE_SPANS = 1000;

/** The document of `hero-logic show --json`; what is said of it. */
export async function copyJson(model: Model): Promise<string> {
  const document = await call("play_get", { play_sid: model.live.sid });
  await navigator.clipboard.writeText(JSON.stringify(document, null, 2));
  return "The play was copied.";
}

export async function saveTrace(model: Model): Promise<string> {
  const blob = await model.ask<"trace">({ kind: "trace", nowMs: model.nowMs() });
  save(blob, `${model.live.sid}.trace.json`);
  return "Saved. Open it at ui.perfetto.dev, or at chrome://tracing.";
}

export async function saveHtml(model: Model): Promise<string> {
  const facts = await call<PlayFacts>("play_get", { play_sid: model.live.sid, spans: false });
  const spans: TakenSpan[] = [];
  for (let start: number | null = 0; start !== null && spans.length < MOST_SPANS;) {
    const page: { spans: WholeSpan[]; next: number | null } = await call("play_spans", {
      play_sid: model.live.sid,
      start,
      limit: PAGE_SPANS,
    });
    spans.push(...page.spans);
    start = page.next;
  }
  const all = Math.max(model.totals.value.count, spans.length);
  const text = documentOf(facts, spans.slice(0, MOST_SPANS), all, model.nowMs());
  save(new Blob([text], { type: "text/html" }), `${model.live.sid}.html`);
  const kept = Math.min(spans.length, MOST_SPANS);
  return kept < all ? `Saved: the first ${kept} of ${all} spans.` : "Saved.";
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
