// What became of a play, the error first: all that is to be known before one looks at a single span.

import { useSignal } from "@preact/signals";
import { navigate, playAddress } from "../router.ts";
import { call } from "../rpc/client.ts";
import { hasEnded, type PlayFacts } from "../rpc/documents.ts";
import { Duration, When } from "../plays/grid.tsx";
import { Copy } from "../ui/copy.tsx";
import { Problem } from "../ui/problem.tsx";
import { Said } from "../ui/said.tsx";
import { Status } from "../ui/status.tsx";
import { counted, number } from "../timeline/format.ts";
import { lazy } from "../ui/lazy.tsx";
import { Parts } from "./parts.tsx";
import type { Links } from "./view.tsx";

const Relations = lazy(() => import("./relations.tsx").then((module) => module.Relations), true);

const LOST: Record<string, string> = {
  malformed: "malformed lines",
  oversize: "lines that were too long",
  truncated: "values that were cut",
};

export function Header({ facts, links }: { facts: PlayFacts; links: Links | null }) {
  return (
    <header class="play-header">
      <div class="line">
        <Status status={facts.status} />
        <h1 class="cut">{facts.flow || "a play without a flow"}</h1>
        <Copy text={facts.sid} what="the play's id" />
        <div class="spacer" />
        <Actions facts={facts} />
      </div>
      {facts.error && <ErrorOf error={facts.error} status={facts.status} />}
      <p class="facts quiet">
        <span>
          <When ms={facts.created_ms} />
        </span>
        <span class="number">
          <Duration play={facts} />
        </span>
        <span class="number">{counted(facts.span_count, "span")}</span>
        <span title={sandboxSays(facts)}>{sandboxWords(facts)}</span>
        {facts.asked_by && <span>asked for by {facts.asked_by}</span>}
        {facts.flow && (
          <span>
            <a href={`/library?flow=${encodeURIComponent(facts.flow)}`}>its flow</a>
          </span>
        )}
        {isRelated(facts, links) && <Relations facts={facts} links={links} />}
        {Object.entries(LOST).map(
          ([key, words]) =>
            facts.counters[key] !== undefined &&
            facts.counters[key]! > 0 && (
              <span class="warning" key={key}>
                {number(facts.counters[key]!)} {words}
              </span>
            ),
        )}
      </p>
      <Parts facts={facts} />
    </header>
  );
}

function isRelated(facts: PlayFacts, links: Links | null): boolean {
  const { retries, children } = links ?? { retries: [], children: [] };
  return Boolean(facts.parent_play_sid || facts.retry_of || retries.length || children.length);
}

function ErrorOf({ error, status }: { error: string; status: string }) {
  const cut = error.indexOf("\n");
  const first = cut < 0 ? error : error.slice(0, cut);
  const rest = cut < 0 ? "" : error.slice(cut + 1).trim();
  return (
    <div class={`error ${status}`} role="group" aria-label="Error">
      <pre class="first">
        <Said text={first} />
      </pre>
      {rest && (
        <details>
          <summary>All that is known of it</summary>
          <pre tabIndex={0}>{rest}</pre>
        </details>
      )}
    </div>
  );
}

function sandboxWords({ sandbox, status }: PlayFacts): string {
  if (status === "pending") return "not begun";
  if (!sandbox.tier || sandbox.tier === "none") return "not sandboxed";
  return sandbox.isolation && sandbox.isolation !== "none"
    ? `${sandbox.tier} (${sandbox.isolation})`
    : sandbox.tier;
}

function sandboxSays({ sandbox }: PlayFacts): string {
  const user = sandbox.user ? `, as the user ${sandbox.user}` : "";
  return `The play was kept in: tier ${sandbox.tier || "none"}, isolation ${sandbox.isolation || "none"}, resources ${sandbox.resources || "none"}${user}.`;
}

function Actions({ facts }: { facts: PlayFacts }) {
  const problem = useSignal<unknown>(null);
  const isBusy = useSignal(false);
  const isSure = useSignal(false);
  const run = async (action: () => Promise<void>) => {
    isBusy.value = true;
    problem.value = null;
    try {
      await action();
    } catch (error) {
      problem.value = error;
    }
    isBusy.value = false;
  };
  const retry = () =>
    run(async () => navigate(playAddress(await call<string>("play_retry", { play_sid: facts.sid }))));
  const cancel = () => run(async () => void (await call("play_cancel", { play_sid: facts.sid })));
  const remove = () =>
    run(async () => {
      await call("play_delete", { play_sid: facts.sid });
      navigate("/");
    });
  return (
    <>
      <div class="actions">
        {!hasEnded(facts.status) && (
          <button disabled={isBusy.value} onClick={cancel}>
            Cancel
          </button>
        )}
        {hasEnded(facts.status) && facts.flow && (
          <>
            <button disabled={isBusy.value} onClick={retry}>
              Run again
            </button>
            <a
              class="button"
              href={`/library?flow=${encodeURIComponent(facts.flow)}&from=${encodeURIComponent(facts.sid)}`}
            >
              With other input
            </a>
            <a class="button" href={`/compare?b=${encodeURIComponent(facts.sid)}`}>
              Compare
            </a>
          </>
        )}
        {hasEnded(facts.status) &&
          (isSure.value ? (
            <>
              <button class="danger" disabled={isBusy.value} onClick={remove}>
                Delete for good
              </button>
              <button onClick={() => (isSure.value = false)}>Keep</button>
            </>
          ) : (
            <button disabled={isBusy.value} onClick={() => (isSure.value = true)}>
              Delete
            </button>
          ))}
      </div>
      {problem.value !== null && (
        <div class="whole">
          <Problem error={problem.value} />
        </div>
      )}
    </>
  );
}
