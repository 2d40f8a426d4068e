/**
 * A play as one HTML page that needs nothing else: no script, no file, no server; it opens anywhere, for ever.
 *
 * Folding is what `details` elements do by themselves. All text of the play is escaped.
 */

import type { PlayFacts, SpanNews } from "../rpc/documents.ts";
import { durationWords, exactWords } from "../ui/time.ts";
import { number } from "./format.ts";

/** A page of more would be too heavy for a browser. */
export const MOST_SPANS = 20_000;
const MOST_OPEN = 300;
const MOST_DEEP = 100;

export type TakenPlay = Readonly<
  Pick<PlayFacts, "sid" | "flow" | "error" | "start_ms" | "end_ms" | "input" | "output"> & { status: string }
>;

export type TakenSpan = Readonly<
  Pick<
    SpanNews,
    "span_id" | "parent_id" | "name" | "kind" | "status" | "start_ms" | "end_ms" | "error" | "logs" | "tags"
  >
>;

/** Text as it is, whatever it has in it. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

interface Page {
  readonly children: ReadonlyMap<string, readonly TakenSpan[]>;
  readonly failing: ReadonlySet<string>;
  readonly fromMs: number;
  readonly wholeMs: number;
  readonly nowMs: number;
  readonly isSmall: boolean;
}

export function documentOf(play: TakenPlay, spans: readonly TakenSpan[], all: number, nowMs: number): string {
  const known = new Set(spans.map((span) => span.span_id));
  const children = new Map<string, TakenSpan[]>();
  for (const span of spans) {
    const above =
      span.parent_id && known.has(span.parent_id) && span.parent_id !== span.span_id ? span.parent_id : "";
    const list = children.get(above);
    if (list) list.push(span);
    else children.set(above, [span]);
  }
  const fromMs = spans.reduce((least, span) => Math.min(least, span.start_ms), play.start_ms ?? Infinity);
  const toMs = spans.reduce((most, span) => Math.max(most, span.end_ms ?? nowMs), play.end_ms ?? -Infinity);
  const page: Page = {
    children,
    failing: failingOf(spans),
    fromMs,
    wholeMs: Math.max(toMs - fromMs, 1e-6),
    nowMs,
    isSmall: spans.length <= MOST_OPEN,
  };
  const shown =
    spans.length < all ? `${number(spans.length)} of ${number(all)} spans` : `${number(all)} spans`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(`${play.status}: ${play.flow || play.sid}`)}</title><style>${STYLE}</style></head><body>
<h1><span class="${escaped(play.status)}">${escaped(play.status.replace("_", " "))}</span> ${escaped(play.flow || "a play")}</h1>
<p>${escaped(play.sid)} · ${shown} · ${durationWords((play.end_ms ?? nowMs) - (play.start_ms ?? nowMs))} · ${escaped(exactWords(play.start_ms ?? NaN))}</p>
${play.error ? `<pre class="error">${escaped(play.error)}</pre>` : ""}
<details><summary>Input and output</summary><pre>${escaped(JSON.stringify({ input: play.input, output: play.output }, null, 2))}</pre></details>
<main>${treeOf(page)}</main></body></html>
`;
}

/** Spans that failed, and all above them: those are open. */
function failingOf(spans: readonly TakenSpan[]): Set<string> {
  const byId = new Map(spans.map((span) => [span.span_id, span]));
  const failing = new Set<string>();
  for (const span of spans) {
    if (span.status === "ok" || span.status === "running") continue;
    for (let at: TakenSpan | undefined = span; at && !failing.has(at.span_id); at = byId.get(at.parent_id)) {
      failing.add(at.span_id);
    }
  }
  return failing;
}

/** The rows, without recursion: a chain of spans may be as deep as it likes. */
function treeOf(page: Page): string {
  const pieces: string[] = [];
  const stack: { readonly list: readonly TakenSpan[]; at: number; readonly close: string }[] = [
    { list: page.children.get("") ?? [], at: 0, close: "" },
  ];
  while (stack.length) {
    const top = stack[stack.length - 1]!;
    const span = top.list[top.at++];
    if (!span) {
      pieces.push(top.close);
      stack.pop();
      continue;
    }
    const below = page.children.get(span.span_id) ?? [];
    pieces.push(opened(page, span, below.length, stack.length));
    stack.push({ list: below, at: 0, close: stack.length <= MOST_DEEP ? "</div></details>" : "" });
  }
  return pieces.join("");
}

function opened(page: Page, span: TakenSpan, below: number, depth: number): string {
  const isOpen = page.failing.has(span.span_id) || (page.isSmall && below > 0);
  const endMs = Math.max(span.start_ms, span.end_ms ?? page.nowMs);
  const left = (100 * (span.start_ms - page.fromMs)) / page.wholeMs;
  const width = (100 * (endMs - span.start_ms)) / page.wholeMs;
  const bar = `<i class="${escaped(span.status)}" style="left:${left.toFixed(3)}%;width:max(2px,${width.toFixed(3)}%)"></i>`;
  const facts: string[] = [];
  if (span.error) facts.push(`<pre class="error">${escaped(span.error)}</pre>`);
  if (span.logs) facts.push(`<pre>${escaped(span.logs)}</pre>`);
  if (Object.keys(span.tags).length) facts.push(`<pre>${escaped(JSON.stringify(span.tags, null, 2))}</pre>`);
  const sign =
    span.status === "ok"
      ? ""
      : `<b class="${escaped(span.status)}">${escaped(span.status.replace("_", " "))}</b> `;
  const summary =
    `<summary><span class="name">${sign}${escaped(span.name) || "no name"}</span>` +
    `<span class="took">${durationWords(endMs - span.start_ms)}</span><span class="bar">${bar}</span></summary>`;
  // Deeper than any browser likes elements: beside each other from there on.
  const closed = depth > MOST_DEEP ? "</div></details>" : "";
  return `<details${isOpen ? " open" : ""}>${summary}<div>${facts.join("")}${closed}`;
}

const STYLE = `
:root{color-scheme:light dark;--ok:light-dark(#4c9f70,#3c8f60);--failed:light-dark(#b3161b,#ff9d97);--line:light-dark(#d9dde3,#2b333d)}
body{font:14px/1.45 system-ui,sans-serif;margin:20px;color:light-dark(#1a1f26,#e6e9ee);background:light-dark(#fff,#101418)}
h1{font-size:20px}pre{font:12px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;padding:6px 10px;border:1px solid var(--line);border-radius:6px}
.error{border-left:4px solid #d93832;background:light-dark(#fdeceb,#34191a)}
.failed,.timed_out,.cancelled{color:var(--failed)}
main{border-top:1px solid var(--line);margin-top:12px;padding-top:6px}
details>div{margin-left:16px}
summary{display:grid;grid-template-columns:minmax(120px,34ch) 8ch 1fr;gap:10px;cursor:pointer;padding:1px 0}
summary:hover{background:light-dark(#eef3fb,#1d2630)}
.name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.name::before{content:"\\25B8";margin-right:6px;font-size:10px}
details[open]>summary .name::before{content:"\\25BE"}
.took{text-align:right;font-variant-numeric:tabular-nums;opacity:.8}
.bar{position:relative;height:14px;align-self:center}
.bar i{position:absolute;top:0;bottom:0;border-radius:3px;background:var(--ok)}
.bar i.failed,.bar i.timed_out{background:#d93832}.bar i.running{background:#3f7ee8}.bar i.cancelled{background:#9aa3af}
`;
