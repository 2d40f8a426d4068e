// The grid of plays: rows that are seen, and a few around them, however many there are.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { navigate, playAddress } from "../router.ts";
import type { PlaySummary } from "../rpc/documents.ts";
import { Said } from "../ui/said.tsx";
import { Status } from "../ui/status.tsx";
import { number } from "../timeline/format.ts";
import { agoWords, durationWords, exactWords, isoTime, nowMs } from "../ui/time.ts";
import type { PlayList } from "./list.ts";
import { mark, marked } from "./view.tsx";

const AROUND = 8;
const COLUMNS = ["Mark", "Status", "Flow", "When", "Duration", "Spans", "Asked by", "Play"] as const;

export function Grid({ list, empty }: { list: PlayList; empty: ComponentChildren }) {
  const rows = list.rows.value;
  const scroller = useRef<HTMLDivElement>(null);
  const seen = useSignal({ first: 0, count: 30, height: 36, px: Infinity });
  const active = useSignal(0);
  const { first, count, height } = seen.value;

  const measure = () => {
    const at = scroller.current;
    if (!at) return;
    const rowHeight = parseFloat(getComputedStyle(at).getPropertyValue("--row-height")) || 36;
    const next = {
      first: Math.max(0, Math.floor(at.scrollTop / rowHeight) - AROUND),
      count: Math.ceil(at.clientHeight / rowHeight) + 2 * AROUND,
      height: rowHeight,
      px: at.clientHeight,
    };
    const was = seen.peek();
    if (was.first !== next.first || was.px !== next.px || was.height !== next.height) seen.value = next;
    if (at.scrollTop + 2 * at.clientHeight > at.scrollHeight) void list.more();
  };
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    // What is put in front moves nothing that somebody looks at.
    const at = scroller.current!;
    if (list.put && at.scrollTop > 0) at.scrollTop += list.put * height;
    if (list.put && active.peek() > 0) active.value = Math.min(rows.length - 1, active.peek() + list.put);
    list.put = 0;
    measure();
  }, [rows]);

  const go = (place: number) => {
    const at = scroller.current!;
    const next = Math.max(0, Math.min(rows.length - 1, place));
    active.value = next;
    if (next * height < at.scrollTop) at.scrollTop = next * height;
    else if ((next + 1) * height > at.scrollTop + at.clientHeight)
      at.scrollTop = (next + 1) * height - at.clientHeight;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey || !rows.length) return;
    const page = Math.max(1, Math.floor(scroller.current!.clientHeight / height) - 1);
    const steps: Record<string, () => void> = {
      ArrowDown: () => go(active.value + 1),
      ArrowUp: () => go(active.value - 1),
      j: () => go(active.value + 1),
      k: () => go(active.value - 1),
      PageDown: () => go(active.value + page),
      PageUp: () => go(active.value - page),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      Enter: () => navigate(playAddress(rows[active.value]!.sid)),
      x: () => mark(rows[active.value]!.sid),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  const last = Math.min(rows.length, first + count);
  const places: number[] = [];
  for (let place = first; place < last; place++) places.push(place);
  // What is active is there to be pointed at, even where it is out of sight.
  if (rows.length && (active.value < first || active.value >= last)) places.push(active.value);
  return (
    <div
      class={`grid ${rows.length * height > seen.value.px ? "scrolls" : ""}`}
      role="grid"
      aria-label="Plays"
      aria-rowcount={list.hasMore.value ? -1 : rows.length + 1}
      aria-busy={list.isLoading.value}
      tabIndex={0}
      onKeyDown={onKeyDown}
      aria-activedescendant={rows.length ? `play-${active.value}` : undefined}
    >
      <div role="rowgroup" class="head">
        <div role="row" aria-rowindex={1} class="row">
          {COLUMNS.map((name) => (
            <div role="columnheader" class={classOf(name)}>
              {name === "Mark" ? <span class="hidden">Mark</span> : name}
            </div>
          ))}
        </div>
      </div>
      <div
        role={rows.length ? "rowgroup" : "presentation"}
        class="scroller"
        ref={scroller}
        onScroll={measure}
      >
        <div class="all" role="presentation" style={{ height: `${rows.length * height}px` }}>
          {places.map((place) => (
            <Row
              key={rows[place]!.sid}
              play={rows[place]!}
              place={place}
              top={place * height}
              isActive={active.value === place}
              onPoint={() => (active.value = place)}
            />
          ))}
        </div>
        {!rows.length && empty}
      </div>
    </div>
  );
}

function classOf(column: (typeof COLUMNS)[number]): string {
  return `c-${column.toLowerCase().replace(" ", "-")}`;
}

interface RowProps {
  play: PlaySummary;
  place: number;
  top: number;
  isActive: boolean;
  onPoint: () => void;
}

function Row({ play, place, top, isActive, onPoint }: RowProps) {
  const address = playAddress(play.sid);
  const isMarked = marked.value.includes(play.sid);
  return (
    <div
      role="row"
      id={`play-${place}`}
      aria-rowindex={place + 2}
      aria-selected={isMarked}
      class={`row ${isActive ? "active" : ""}`}
      style={{ transform: `translateY(${top}px)` }}
      onClick={(event) => {
        onPoint();
        if ((event.target as Element).closest("a, input, label") || getSelection()?.toString()) return;
        navigate(address);
      }}
    >
      <div role="gridcell" class="c-mark">
        <input
          type="checkbox"
          tabIndex={-1}
          checked={isMarked}
          aria-label={`Mark ${play.flow || "play"} ${play.sid}`}
          onChange={() => mark(play.sid)}
        />
      </div>
      <div role="gridcell" class="c-status">
        <Status status={play.status} />
      </div>
      <div role="gridcell" class="c-flow">
        <a href={address} tabIndex={-1} class="name cut">
          {play.flow || <span class="quiet">no flow</span>}
        </a>
        {play.error && (
          <span class="why cut">
            <Said text={firstLine(play.error)} />
          </span>
        )}
      </div>
      <div role="gridcell" class="c-when">
        <When ms={play.created_ms} />
      </div>
      <div role="gridcell" class="c-duration number">
        <Duration play={play} />
      </div>
      <div role="gridcell" class="c-spans number">
        {number(play.span_count)}
      </div>
      <div role="gridcell" class="c-asked-by cut" title={play.asked_by}>
        {play.asked_by || "the command line"}
      </div>
      <div role="gridcell" class="c-play mono cut">
        {play.sid}
      </div>
    </div>
  );
}

/** When, in words; exact on hover. */
export function When({ ms }: { ms: number }) {
  return (
    <time dateTime={isoTime(ms)} title={exactWords(ms)}>
      {agoWords(ms, nowMs.value)}
    </time>
  );
}

/** How long a play took, or takes by now. */
export function Duration({ play }: { play: PlaySummary }) {
  if (play.duration_ms !== null)
    return <span title={`${play.duration_ms} ms`}>{durationWords(play.duration_ms)}</span>;
  if (play.start_ms === null) return <span class="quiet">–</span>;
  const seconds = Math.max(0, Math.floor((nowMs.value - play.start_ms) / 1000));
  return <span>{durationWords(seconds * 1000)} …</span>;
}

function firstLine(text: string): string {
  return text.slice(0, 300).split("\n", 1)[0]!;
}
