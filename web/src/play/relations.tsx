// Where a play comes from, and what came of it: its parent, its children, what it runs again, and what runs it again.

import { compareAddress, playAddress } from "../router.ts";
import type { PlayFacts, PlaySummary } from "../rpc/documents.ts";
import { number } from "../timeline/format.ts";
import type { Links } from "./view.tsx";

export function Relations({ facts, links }: { facts: PlayFacts; links: Links | null }) {
  return (
    <>
      {facts.parent_play_sid && (
        <span>
          child of{" "}
          <a
            href={
              playAddress(facts.parent_play_sid) +
              (facts.parent_span_id ? `?span=${encodeURIComponent(facts.parent_span_id)}` : "")
            }
          >
            {facts.parent_play_sid}
          </a>
        </span>
      )}
      {facts.retry_of && (
        <span>
          runs <a href={playAddress(facts.retry_of)}>{facts.retry_of}</a> again (
          <a href={compareAddress(facts.retry_of, facts.sid)}>compare</a>)
        </span>
      )}
      {links?.retries.length ? (
        <span>
          run again as <Plays plays={links.retries} />
        </span>
      ) : null}
      {links?.children.length ? (
        <span>
          asked for <Plays plays={links.children} />
        </span>
      ) : null}
    </>
  );
}

const SHOWN = 3;

function Plays({ plays }: { plays: PlaySummary[] }) {
  return (
    <>
      {plays.slice(-SHOWN).map(({ sid, flow }, place) => (
        <>
          {place > 0 && ", "}
          <a href={playAddress(sid)} title={flow}>
            {sid}
          </a>
        </>
      ))}
      {plays.length > SHOWN && ` and ${number(plays.length - SHOWN)} more`}
    </>
  );
}
