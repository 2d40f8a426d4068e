// What is not there, and where to go instead: an address that leads nowhere, a play or a flow that is not on record.

import { path } from "./router.ts";
import { useTitle } from "./ui/title.ts";

export function Nowhere() {
  useTitle("Nothing here");
  return (
    <section class="empty">
      <h1>
        There is nothing at <code>{path.value}</code>
      </h1>
      <p class="quiet">The link that led here may be old, or was cut short.</p>
      <p>
        <a href="/">All plays</a> · <a href="/library">The library</a> · <a href="/p/last">The last play</a>
      </p>
    </section>
  );
}

/** Shown where a play is asked for by an id that none on record has. */
export function NoPlay({ sid }: { sid: string }) {
  if (sid === "last")
    return (
      <section class="empty">
        <h1>There is no play yet</h1>
        <p class="quiet">Run a flow, and this address shows its play.</p>
        <pre>hero-logic run examples/greet.py -i name=Ada</pre>
        <p>
          Or run one of the <a href="/library">library</a>.
        </p>
      </section>
    );
  return (
    <section class="empty">
      <h1>There is no such play</h1>
      <p class="quiet">
        No play on record has the id <code>{sid}</code>. Its link may have been cut short; the play may have
        been deleted, or be on record with another server: each has a data directory of its own.
      </p>
      <p>
        <a href={`/?q=${encodeURIComponent(sid)}`}>Find what looks like it</a> · <a href="/">All plays</a> ·{" "}
        <a href="/p/last">The last play</a>
      </p>
    </section>
  );
}

/** Shown where a flow is asked for by a name that none in the library has. */
export function NoFlow({ name }: { name: string }) {
  return (
    <section class="empty">
      <h1>There is no such flow</h1>
      <p class="quiet">
        No flow in the library has the name <code>{name}</code>. It may have been renamed or deleted, or its
        version may be gone.
      </p>
      <p>
        <a href={`/library?q=${encodeURIComponent(name)}`}>Find what sounds like it</a> ·{" "}
        <a href="/library">All flows</a>
      </p>
    </section>
  );
}
