// Two plays of a flow: what is slower, faster, new, gone and failed, by structure.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { navigate, playAddress, query, withQuery } from "../router.ts";
import { NoPlay } from "../nowhere.tsx";
import { call, CallError } from "../rpc/client.ts";
import type { PlayFacts, PlaySummary } from "../rpc/documents.ts";
import { sessionIsOver } from "../rpc/session.ts";
import { Duration, When } from "../plays/grid.tsx";
import { Problem } from "../ui/problem.tsx";
import { Said } from "../ui/said.tsx";
import { Status } from "../ui/status.tsx";
import { durationWords } from "../ui/time.ts";
import { useTitle } from "../ui/title.ts";
import { Differences } from "./differences.tsx";
import { firstLine } from "./rows.ts";
import type { Asked, Compared, Told } from "./worker.ts";
import "./compare.css";

export function Compare() {
  useTitle("Compare");
  const a = query.value.get("a") ?? "";
  const b = query.value.get("b") ?? "";
  if (!a || !b) return <Choose a={a} b={b} />;
  return <Both key={`${a} ${b}`} a={a} b={b} />;
}

function Both({ a, b }: Asked) {
  const plays = useSignal<[PlayFacts, PlayFacts] | null>(null);
  const compared = useSignal<Compared | null>(null);
  const problem = useSignal<unknown>(null);
  const missing = useSignal("");
  const again = useSignal(0);
  useEffect(() => {
    problem.value = null;
    missing.value = "";
    const facts = async (sid: string) => {
      try {
        return await call<PlayFacts>("play_get", { play_sid: sid, spans: false });
      } catch (error) {
        if (error instanceof CallError && error.code === "not_found") missing.value = sid;
        throw error;
      }
    };
    Promise.all([facts(a), facts(b)]).then(
      (found) => (plays.value = found),
      (error: unknown) => (problem.value = error),
    );
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Told>) => {
      if ("compared" in data) compared.value = data.compared;
      else if (data.status === 401) sessionIsOver();
      else problem.value ??= new Error(data.problem);
      worker.terminate();
    };
    worker.onerror = () => (problem.value ??= new Error("This part of the page could not be loaded."));
    worker.postMessage({ a, b } satisfies Asked);
    return () => worker.terminate();
  }, [a, b, again.value]);

  if (missing.value) return <NoPlay sid={missing.value} />;
  if (problem.value !== null) return <Problem error={problem.value} again={() => again.value++} />;
  return (
    <div class="compare">
      <header class="sides">
        <h1 class="hidden">Compare two plays</h1>
        {plays.value ? (
          <>
            <Side which="A" play={plays.value[0]} />
            <button
              class="swap"
              title="Swap the two"
              aria-label="Swap the two plays"
              onClick={() => navigate(withQuery({ a: b, b: a }), { replace: true })}
            >
              ⇄
            </button>
            <Side which="B" play={plays.value[1]} />
            <Sentence a={plays.value[0]} b={plays.value[1]} />
          </>
        ) : (
          <p aria-busy="true" class="quiet">
            Reading both plays …
          </p>
        )}
      </header>
      {compared.value && <Differences compared={compared.value} />}
    </div>
  );
}

function Side({ which, play }: { which: string; play: PlayFacts }) {
  return (
    <section class="side" aria-label={`Play ${which}`}>
      <b class="which">{which}</b>
      <div>
        <a href={playAddress(play.sid)} class="cut">
          {play.flow || play.sid}
        </a>{" "}
        <Status status={play.status} />
        <p class="quiet">
          <When ms={play.created_ms} /> · <Duration play={play} /> · <code>{play.sid}</code>
        </p>
        {play.error && (
          <p class={`error ${play.status}`} title={play.error}>
            <Said text={firstLine(play.error)} />
          </p>
        )}
      </div>
    </section>
  );
}

function Sentence({ a, b }: { a: PlayFacts; b: PlayFacts }) {
  const words: string[] = [];
  if (a.duration_ms !== null && b.duration_ms !== null) {
    const byMs = b.duration_ms - a.duration_ms;
    const share =
      a.duration_ms > 0
        ? ` (${byMs < 0 ? "−" : "+"}${Math.abs((100 * byMs) / a.duration_ms).toFixed(0)} %)`
        : "";
    words.push(`B took ${durationWords(Math.abs(byMs))} ${byMs < 0 ? "less" : "more"} than A${share}.`);
  } else words.push("One of them has not ended: this is how they stand by now.");
  if (a.flow !== b.flow) words.push("They are of different flows.");
  if (JSON.stringify(a.input) !== JSON.stringify(b.input)) words.push("Their inputs differ.");
  return <p class="sentence">{words.join(" ")}</p>;
}

/** One play is there, or none: which are to be compared? */
function Choose({ a, b }: Asked) {
  const known = a || b;
  const plays = useSignal<readonly PlaySummary[] | null>(null);
  const problem = useSignal<unknown>(null);
  useEffect(() => {
    const read = async () => {
      const flow = known ? (await call<PlaySummary>("play_get", { play_sid: known, spans: false })).flow : "";
      const page = await call<{ plays: PlaySummary[] }>("play_list", { limit: 50, ...(flow && { flow }) });
      plays.value = page.plays.filter(({ sid }) => sid !== known);
    };
    read().catch((error: unknown) => (problem.value = error));
  }, [known]);
  if (problem.value !== null) return <Problem error={problem.value} />;
  // The older one is A: what is there already stays on its side, and a lone one becomes B.
  const address = (sid: string) =>
    known ? (a ? withQuery({ b: sid }) : withQuery({ a: sid })) : withQuery({ b: sid });
  return (
    <section class="choose">
      <h1>Compare two plays</h1>
      <p class="quiet">
        {known ? "With which other play of the same flow?" : "Which play? The other one is chosen after it."}
      </p>
      {plays.value?.length === 0 && <p>There is no other play of this flow.</p>}
      <ul>
        {plays.value?.map((play) => (
          <li key={play.sid}>
            <a href={address(play.sid)}>
              <Status status={play.status} />
              <b class="cut">{play.flow || "no flow"}</b>
              <span class="quiet">
                <When ms={play.created_ms} />
              </span>
              <span class="number">
                <Duration play={play} />
              </span>
              <code class="quiet">{play.sid}</code>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
