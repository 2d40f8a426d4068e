// What the list has beside its rows: what to do where there are none, and which two are to be compared.

import { compareAddress, navigate } from "../router.ts";
import type { PlaySummary } from "../rpc/documents.ts";
import { isFiltered, type Filter } from "./filter.ts";
import type { PlayList } from "./list.ts";
import { marked } from "./view.tsx";

export function Empty({ filter }: { filter: Filter }) {
  if (isFiltered(filter))
    return (
      <div class="empty">
        <h2>No play fits</h2>
        <p class="quiet">None is as all of the filters say.</p>
        <button onClick={() => navigate("/", { replace: true })}>Show all plays</button>
      </div>
    );
  return (
    <div class="empty">
      <h2>No plays yet</h2>
      <p class="quiet">Run a flow, and it shows up here while it runs.</p>
      <pre>hero-logic run examples/greet.py -i name=Ada</pre>
      <p class="quiet">
        Or run one of the <a href="/library">library</a>.
      </p>
    </div>
  );
}

export function Marked({ list }: { list: PlayList }) {
  const sids = marked.value;
  const known = new Map(list.rows.value.map((play) => [play.sid, play]));
  const plays = sids.map((sid) => known.get(sid)).filter(Boolean) as PlaySummary[];
  const byAge = [...plays].sort((a, b) => a.created_ms - b.created_ms).map(({ sid }) => sid);
  const [a, b] = byAge.length === 2 ? byAge : sids;
  return (
    <div class="marked" role="region" aria-label="To be compared">
      <span>
        {sids.length === 1
          ? "One play is marked. Mark another one to compare them."
          : "Two plays are marked."}
      </span>
      {sids.length === 2 && (
        <a class="button main" href={compareAddress(a!, b!)}>
          Compare
        </a>
      )}
      <button onClick={() => (marked.value = [])}>Unmark</button>
    </div>
  );
}
