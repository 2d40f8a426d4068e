// The last plays of a flow: how long each took, as bars for eyes and hands, by keys, and as a table.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { navigate, playAddress } from "../router.ts";
import type { PlaySummary } from "../rpc/documents.ts";
import { When } from "../plays/grid.tsx";
import { Status } from "../ui/status.tsx";
import { durationWords, nowMs } from "../ui/time.ts";
import { saysOf, summaryOf, takenOf, type Taken } from "./durations.ts";
import type { Plot } from "./plot.ts";

export function LastPlays({ plays }: { plays: readonly PlaySummary[] }) {
  const taken = useMemo(() => takenOf(plays), [plays]);
  const host = useRef<HTMLDivElement>(null);
  const drawn = useRef<Plot | null>(null);
  const at = useSignal<number | null>(null);
  const open = (place: number) => navigate(playAddress(taken[place]!.sid));
  useEffect(() => {
    let isWanted = true;
    import("./plot.ts").then(
      ({ plot }) => {
        if (!isWanted || !host.current) return;
        drawn.current = plot(host.current, taken, (place) => (at.value = place), open);
        drawn.current.point(at.peek());
      },
      () => undefined, // the table has it all
    );
    return () => {
      isWanted = false;
      drawn.current?.close();
      drawn.current = null;
    };
  }, [taken]);
  const point = (place: number | null) => {
    at.value = place;
    drawn.current?.point(place);
  };
  const last = taken.length - 1;
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const now = at.value ?? last;
    const steps: Record<string, () => void> = {
      ArrowLeft: () => point(Math.max(0, now - 1)),
      ArrowRight: () => point(Math.min(last, now + 1)),
      Home: () => point(0),
      End: () => point(last),
      Enter: () => open(now),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  const pointed = at.value === null ? null : taken[at.value]!;
  return (
    <section class="last-plays" aria-label="Last plays">
      <p class="plot-says quiet number">
        {pointed ? (
          <>
            <code>{pointed.sid}</code> {saysOf(pointed, nowMs.value)}
          </>
        ) : (
          summaryOf(taken)
        )}
      </p>
      <div
        class="plot"
        ref={host}
        role="slider"
        aria-label="How long the last plays took; Enter opens one"
        aria-valuemin={1}
        aria-valuemax={taken.length}
        aria-valuenow={(at.value ?? last) + 1}
        aria-valuetext={`Play ${(at.value ?? last) + 1} of ${taken.length}: ${saysOf(taken[at.value ?? last]!, nowMs.value)}`}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onFocus={(event) => event.currentTarget.matches(":focus-visible") && point(at.value ?? last)}
        onBlur={() => point(null)}
      />
      <Table taken={taken} />
    </section>
  );
}

function Table({ taken }: { taken: readonly Taken[] }) {
  return (
    <details>
      <summary>As a table</summary>
      <div class="plot-table" tabIndex={0} role="region" aria-label="Last plays, as a table">
        <table>
          <thead>
            <tr>
              <th scope="col">Play</th>
              <th scope="col">Status</th>
              <th scope="col" class="number">
                Took
              </th>
              <th scope="col">Ended</th>
            </tr>
          </thead>
          <tbody>
            {[...taken].reverse().map(({ sid, status, durationMs, endedMs }) => (
              <tr key={sid}>
                <td>
                  <a href={playAddress(sid)} class="mono">
                    {sid}
                  </a>
                </td>
                <td>
                  <Status status={status} />
                </td>
                <td class="number" title={`${durationMs} ms`}>
                  {durationWords(durationMs)}
                </td>
                <td>
                  <When ms={endedMs} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
