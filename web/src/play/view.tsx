// One play: what became of it, and its timeline.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { LiveStore } from "../live/store.ts";
import { call, CallError, offline } from "../rpc/client.ts";
import { hasEnded, type PlayFacts, type PlaySummary } from "../rpc/documents.ts";
import { Timeline } from "../timeline/index.tsx";
import { connection } from "../ui/connection.tsx";
import { lazy } from "../ui/lazy.tsx";
import { Problem } from "../ui/problem.tsx";
import { statusWord } from "../ui/status.tsx";
import { useTitle } from "../ui/title.ts";
import type { Header as Head } from "./header.tsx";
import "./play.css";

const NoPlay = lazy(() => import("../nowhere.tsx").then((module) => module.NoPlay));

/** Where a play comes from, and what came of it. */
export interface Links {
  parent_play_sid: string;
  parent_span_id: string;
  children: PlaySummary[];
  retry_of: string;
  retries: PlaySummary[];
}

export function Play({ sid }: { sid: string }) {
  const live = useMemo(() => new LiveStore(sid), [sid]);
  const facts = useSignal<PlayFacts | null>(null);
  const head = useSignal<{ Header: typeof Head } | null>(null);
  const links = useSignal<Links | null>(null);
  const problem = useSignal<unknown>(null);

  const read = async () => {
    try {
      // What shows the facts comes while they are asked for.
      const [found, related, header] = await Promise.all([
        call<PlayFacts>("play_get", { play_sid: sid, spans: false }),
        call<Links>("play_links", { play_sid: sid }),
        import("./header.tsx").catch(() => Promise.reject(offline())),
      ]);
      head.value = header;
      facts.value = found;
      links.value = related;
      problem.value = null;
    } catch (error) {
      problem.value = error;
    }
  };
  useEffect(() => {
    void read();
    return () => {
      live.close();
      connection.value = "";
    };
  }, [live]);
  const status = live.status.value || facts.value?.status || "";
  useEffect(() => {
    // What it gave and printed is there when it has ended.
    if (facts.value && hasEnded(status) && !hasEnded(facts.value.status)) void read();
  }, [status]);
  useEffect(() => {
    connection.value = live.connection.value === "idle" ? "" : live.connection.value;
  }, [live.connection.value]);
  useTitle(facts.value ? `${statusWord(status)}: ${facts.value.flow || sid}` : sid);

  if (problem.value !== null && !facts.value)
    return <NotThere sid={sid} error={problem.value} again={read} />;
  const shown = facts.value;
  const Header = head.value?.Header;
  return (
    <div class="play">
      {live.isDeleted.value && (
        <p class="problem" role="alert">
          This play was deleted. What is shown is what was known of it.
        </p>
      )}
      {shown && Header ? (
        <Header facts={{ ...shown, ...live.play.value }} links={links.value} />
      ) : (
        <div class="play-header waits" aria-busy="true" />
      )}
      {shown && <Timeline sid={shown.sid} live={live} />}
    </div>
  );
}

function NotThere({ sid, error, again }: { sid: string; error: unknown; again: () => void }) {
  if (!(error instanceof CallError) || (error.code !== "not_found" && error.code !== "invalid_params"))
    return <Problem error={error} again={again} />;
  return <NoPlay sid={sid} />;
}
