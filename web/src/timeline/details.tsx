/** What is known of the span that is chosen: why it failed first, then where, what it was given, what it said. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { playAddress } from "../router.ts";
import { call } from "../rpc/client.ts";
import type { SpanNews } from "../rpc/documents.ts";
import { Copy } from "../ui/copy.tsx";
import { lazy } from "../ui/lazy.tsx";
import { Status } from "../ui/status.tsx";
import { clockWords, durationWords, exactWords } from "../ui/time.ts";
import { counted, number } from "./format.ts";
import { Logs } from "./logs.tsx";
import { errorParts } from "./error-text.ts";
import { ORPHANS_KEY, type SpanFacts } from "./messages.ts";
import type { Model } from "./model.ts";
import { KINDS, OK, STATUSES } from "./spans.ts";
import { TagTree } from "./tags.tsx";
import { Lasting } from "./tree.tsx";

const Source = lazy(() => import("./source.tsx").then((module) => module.Source));

/** A span whole, as the service gives it. */
export type WholeSpan = Readonly<Omit<SpanNews, "ordinal" | "revision">>;

/** Tags that have a place of their own. */
const SHOWN_APART = ["rpc.request", "rpc.response", "hero.progress", "hero.total"];

export function Details({ model }: { readonly model: Model }) {
  const facts = useSignal<SpanFacts | null>(null);
  const whole = useSignal<WholeSpan | null>(null);
  const trouble = useSignal("");
  const key = model.selected.value;
  const { version } = model.totals.value;
  useEffect(() => {
    let isOver = false;
    if (!key) facts.value = null;
    else {
      void model.ask<"span">({ kind: "span", key, nowMs: model.nowMs() }).then((found) => {
        if (!isOver) facts.value = found;
      });
    }
    return () => void (isOver = true);
  }, [key, version]);
  useEffect(() => {
    whole.value = null;
    trouble.value = "";
    if (!key.startsWith("s")) return;
    const abort = new AbortController();
    const params = { play_sid: model.live.sid, start: Number(key.slice(1)), limit: 1 };
    call<{ spans: WholeSpan[] }>("play_spans", params, abort.signal).then(
      ({ spans }) => void (whole.value ??= spans[0] ?? null),
      (error: unknown) => {
        if (!abort.signal.aborted) trouble.value = error instanceof Error ? error.message : String(error);
      },
    );
    return () => abort.abort();
  }, [key]);
  const news = model.news.value;
  const span = news && `s${news.ordinal}` === key ? news : whole.value;
  return (
    <>
      <button
        class="plain tl-close"
        aria-label="Close the details"
        title="Close"
        onClick={() => model.select("")}
      >
        ×
      </button>
      {key === ORPHANS_KEY && (
        <p>
          The parent of each of these spans was never heard of: its start was lost, or its process ended
          before it could be told. The spans themselves are whole.
        </p>
      )}
      {facts.value && facts.value.key === key && (
        <>
          <Heading facts={facts.value} model={model} />
          {facts.value.group ? (
            <GroupSays facts={facts.value} model={model} />
          ) : (
            <SpanSays facts={facts.value} span={span} model={model} />
          )}
        </>
      )}
      {trouble.value && (
        <p class="problem" role="alert">
          The rest of this span could not be read: {trouble.value}
        </p>
      )}
    </>
  );
}

function Heading({ facts, model }: { readonly facts: SpanFacts; readonly model: Model }) {
  const tookMs = facts.endMs - facts.startMs;
  return (
    <header>
      {facts.ancestors.length > 0 && (
        <nav class="tl-crumbs" aria-label="Ancestors">
          {facts.ancestors.map(({ row, name, status }) => (
            <button
              key={row}
              class={`plain ${STATUSES[status]!}`}
              onClick={() => void model.go({ kind: "go", to: "span", row })}
            >
              {name || "no name"}
            </button>
          ))}
        </nav>
      )}
      <h2>
        {facts.name || <i>no name</i>}
        {facts.group && <span class="tl-count"> ×{number(facts.group.count)}</span>}
      </h2>
      {!facts.group && (
        <p class="tl-line">
          <Status status={STATUSES[facts.status]!} />
          {Number.isNaN(tookMs) ? (
            <span class="number">
              for <Lasting model={model} sinceMs={facts.startMs} /> so far
            </span>
          ) : (
            <span class="number" title={`${tookMs} ms`}>
              {durationWords(Math.max(0, tookMs))}
            </span>
          )}
          <span class="quiet number" title={exactWords(facts.startMs)}>
            {clockWords(facts.startMs)}
          </span>
          {KINDS[facts.kind] !== "step" && <span class="chip">{KINDS[facts.kind]!.replace("_", " ")}</span>}
        </p>
      )}
    </header>
  );
}

function GroupSays({ facts, model }: { readonly facts: SpanFacts; readonly model: Model }) {
  const group = facts.group!;
  const ended = group.count - group.running;
  return (
    <>
      <dl class="tl-facts">
        <dt>together</dt>
        <dd>{durationWords(group.totalMs)}</dd>
        <dt>on average</dt>
        <dd>{ended ? durationWords(group.totalMs / ended) : "none has ended"}</dd>
        <dt>failed</dt>
        <dd>{number(group.failed)}</dd>
        <dt>running</dt>
        <dd>{number(group.running)}</dd>
      </dl>
      <p class="tl-buttons">
        {group.firstFailed >= 0 && (
          <button onClick={() => void model.go({ kind: "go", to: "span", row: group.firstFailed })}>
            The first that failed
          </button>
        )}
        {group.slowest >= 0 && (
          <button onClick={() => void model.go({ kind: "go", to: "span", row: group.slowest })}>
            The slowest, {durationWords(group.slowestMs)}
          </button>
        )}
        <button onClick={() => void model.fold("toggle", facts.key)}>
          {group.isBrief ? `Show all ${number(group.count)}` : "Show fewer"}
        </button>
      </p>
      <p class="quiet">
        So many siblings of one name are one row, with those below it that failed, run or took longest.
      </p>
    </>
  );
}

interface SpanProps {
  readonly facts: SpanFacts;
  readonly span: WholeSpan | null;
  readonly model: Model;
}

function SpanSays({ facts, span, model }: SpanProps) {
  const error = span?.error || facts.error;
  const tags = span?.tags ?? {};
  return (
    <>
      {error && <ErrorSays error={error} />}
      <CaughtBy facts={facts} />
      {facts.failedBelow > 0 && (
        <p>
          <button onClick={() => void model.goToFailure("failure below")}>
            ✕ {counted(facts.failedBelow, "span")} below failed: go there
          </button>
        </p>
      )}
      <Progress tags={tags} />
      {span?.child_play_sid && (
        <p>
          It ran another play: <a href={playAddress(span.child_play_sid)}>{span.child_play_sid}</a>
        </p>
      )}
      {span && (span.rpc_service || span.rpc_method) && <Rpc span={span} />}
      {span?.logs && <Logs key={facts.key} logs={span.logs} />}
      {span && <TagTree tags={without(tags, SHOWN_APART)} />}
      {span?.source_file && (
        <Source file={span.source_file} line={span.source_line} flow={model.live.play.value?.flow ?? ""} />
      )}
      <dl class="tl-facts">
        {facts.below > 0 && (
          <>
            <dt>below it</dt>
            <dd>
              {counted(facts.children, "child", "children")}, {counted(facts.below, "span")} in all
            </dd>
          </>
        )}
        {facts.pathMs > 0 && (
          <>
            <dt>critical path</dt>
            <dd>{durationWords(facts.pathMs)} in this span itself</dd>
          </>
        )}
        <dt>span</dt>
        <dd>
          <Copy text={facts.spanId} what="the id of the span" />
        </dd>
      </dl>
      {span && (
        <p class="tl-buttons">
          <Copy text={JSON.stringify(span, null, 2)} what="the span as JSON" label="Copy as JSON" />
          <Copy text={location.href} what="a link to this span" label="Copy link" />
        </p>
      )}
    </>
  );
}

function ErrorSays({ error }: { readonly error: string }) {
  const { first, frames, last } = errorParts(error);
  return (
    <div class="tl-error" role="group" aria-label="Why it failed">
      <pre class="first">{first}</pre>
      {frames && (
        <pre class="rest" tabIndex={0} aria-label="Traceback">
          {frames}
        </pre>
      )}
      {last && <pre class="last">{last}</pre>}
    </div>
  );
}

/** What stopped the failure on its way up, where anything did. */
function CaughtBy({ facts }: { readonly facts: SpanFacts }) {
  if (facts.status <= OK) return null;
  const by = facts.ancestors.findLast(({ status }) => status === OK);
  if (!by) return null;
  return (
    <p class="quiet">
      It was caught: <b>{by.name || "no name"}</b>, above it, ended ok.
    </p>
  );
}

function Progress({ tags }: { readonly tags: Readonly<Record<string, unknown>> }) {
  const done = tags["hero.progress"];
  const total = tags["hero.total"];
  if (typeof done !== "number") return null;
  const isKnown = typeof total === "number" && total > 0;
  return (
    <p class="tl-line">
      {isKnown && <progress max={total} value={done} aria-label="Progress" />}
      <span class="number">
        {number(done)}
        {isKnown && ` of ${number(total)}`}
      </span>
    </p>
  );
}

function Rpc({ span }: { readonly span: WholeSpan }) {
  const parts = [
    ["Request", span.tags["rpc.request"]],
    ["Result", span.tags["rpc.response"]],
  ] as const;
  return (
    <section>
      <h3>
        Call of {span.rpc_service}
        {span.rpc_service && span.rpc_method ? "." : ""}
        {span.rpc_method}
      </h3>
      {parts.map(([word, value]) =>
        value === undefined ? null : (
          <div key={word}>
            <h4>{word}</h4>
            <pre class="tl-box" tabIndex={0}>
              {pretty(value)}
            </pre>
          </div>
        ),
      )}
    </section>
  );
}

/** JSON is laid out; what is none, or was cut, is shown as it is. */
function pretty(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

function without(tags: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(tags).filter(([name]) => !names.includes(name)));
}
