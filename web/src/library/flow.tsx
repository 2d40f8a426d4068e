// One flow: what it says of itself, its form, its source, and what changed between two versions.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { navigate, query, withQuery } from "../router.ts";
import { NoFlow } from "../nowhere.tsx";
import { call, CallError } from "../rpc/client.ts";
import type { FlowDetails, PlayFacts, PlaySummary } from "../rpc/documents.ts";
import { When } from "../plays/grid.tsx";
import { Code } from "../ui/code.tsx";
import { Problem } from "../ui/problem.tsx";
import { lazy } from "../ui/lazy.tsx";
import { Said } from "../ui/said.tsx";
import { RunForm } from "./run-form.tsx";

interface Version {
  version_sid: string;
  number: number;
  kind: string;
  created_ms: number;
  is_current: boolean;
  source_bytes: number;
}

const LastPlays = lazy(() => import("./last-plays.tsx").then((module) => module.LastPlays), true);

const MOST_VERSIONS = 200;
/** Plays whose durations are drawn: as many as can be told apart. */
const MOST_PLAYS = 100;

export function FlowView({ name }: { name: string }) {
  const version = query.value.get("version") ?? "";
  const before = query.value.get("before") ?? "";
  const from = query.value.get("from") ?? "";
  const flow = useSignal<FlowDetails | null>(null);
  const other = useSignal<FlowDetails | null>(null);
  const versions = useSignal<readonly Version[]>([]);
  const plays = useSignal<readonly PlaySummary[]>([]);
  const input = useSignal<Record<string, unknown> | null>(null);
  /** What the address asks for beside the flow, and is not there. */
  const missing = useSignal<readonly string[]>([]);
  const problem = useSignal<unknown>(null);

  const read = async () => {
    try {
      const [found, listed, last, older, play] = await Promise.all([
        call<FlowDetails>("flow_get", { flow_sid: name, version_sid: version }),
        call<{ versions: Version[] }>("flow_versions", { flow_sid: name, limit: MOST_VERSIONS }),
        call<{ plays: PlaySummary[] }>("play_list", { flow: name, limit: MOST_PLAYS }),
        before ? ifThere(call<FlowDetails>("flow_get", { flow_sid: name, version_sid: before })) : null,
        from ? ifThere(call<PlayFacts>("play_get", { play_sid: from, spans: false })) : null,
      ]);
      versions.value = listed.versions;
      plays.value = last.plays;
      other.value = older;
      input.value = (play?.input as Record<string, unknown> | undefined) ?? null;
      missing.value = [
        ...(before && !older ? [`The version ${before}, to hold it against, is not on record.`] : []),
        ...(from && !play ? [`The play ${from}, whose input was wanted, is not on record.`] : []),
      ];
      flow.value = found;
      problem.value = null;
    } catch (error) {
      problem.value = error;
    }
  };
  useEffect(() => {
    void read();
  }, [name, version, before, from]);

  if (problem.value instanceof CallError && problem.value.code === "not_found") return <NoFlow name={name} />;
  if (problem.value !== null) return <Problem error={problem.value} again={read} />;
  const shown = flow.value;
  if (!shown) return <p class="quiet note" aria-busy="true" />;
  return (
    <>
      <header class="about-flow">
        <a class="back" href={withQuery({ flow: null, version: null, before: null, from: null })}>
          ← All flows
        </a>
        <h1>{shown.name}</h1>
        {shown.description && (
          <p>
            <Said text={shown.description} />
          </p>
        )}
        <p class="quiet facts">
          <span>
            published <When ms={shown.published_ms} />
          </span>
          <span>{shown.versions === 1 ? "1 version" : `${shown.versions} versions`}</span>
          <span>
            <a href={`/?flow=${encodeURIComponent(shown.name)}`}>its plays</a>
          </span>
          {shown.tags.map((tag) => (
            <a key={tag} class="chip" href={`/library?q=${encodeURIComponent(tag)}`}>
              {tag}
            </a>
          ))}
        </p>
        {missing.value.map((says) => (
          <p key={says} class="warning" role="alert">
            {says}
          </p>
        ))}
        {shown.problems.map(({ message, line }) => (
          <p class="warning">
            {line > 0 && `Line ${line}: `}
            <Said text={message} />
          </p>
        ))}
      </header>
      {plays.value.some((play) => play.end_ms !== null) && <LastPlays plays={plays.value} />}
      <div class="flow-parts">
        <section class="source" aria-label="Source">
          <Versions
            versions={versions.value}
            shown={shown.version_sid}
            before={other.value?.version_sid ?? ""}
          />
          <Code
            key={shown.version_sid + (other.value?.version_sid ?? "")}
            text={shown.source}
            before={other.value?.source}
            language={shown.kind === "python" ? "python" : "json"}
            label={`Source of ${shown.name}`}
          />
        </section>
        <section class="run-part" aria-label="Run">
          <RunForm key={shown.version_sid + from} flow={shown} input={input.value} />
        </section>
      </div>
    </>
  );
}

/** What a call gives; null where what it asks for is not on record. */
async function ifThere<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CallError && error.code === "not_found") return null;
    throw error;
  }
}

function Versions({
  versions,
  shown,
  before,
}: {
  versions: readonly Version[];
  shown: string;
  before: string;
}) {
  if (versions.length < 2) return <h2>Source</h2>;
  const says = ({ number, is_current, created_ms }: Version) =>
    `${number}${is_current ? " (current)" : ""}, ${new Date(created_ms).toLocaleString()}`;
  const current = versions.find(({ is_current }) => is_current)?.version_sid;
  return (
    <div class="versions">
      <label>
        Version{" "}
        <select
          value={shown}
          onChange={({ currentTarget: { value } }) =>
            navigate(withQuery({ version: value === current ? null : value }))
          }
        >
          {versions.map((version) => (
            <option value={version.version_sid}>{says(version)}</option>
          ))}
        </select>
      </label>
      <label>
        against{" "}
        <select
          value={before}
          onChange={({ currentTarget: { value } }) => navigate(withQuery({ before: value || null }))}
        >
          <option value="">nothing</option>
          {versions
            .filter(({ version_sid }) => version_sid !== shown)
            .map((version) => (
              <option value={version.version_sid}>{says(version)}</option>
            ))}
        </select>
      </label>
    </div>
  );
}
