// The places of two plays as a tree, with what became of each. Rows that are seen are drawn, however many there are.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useKeys, type KeySection } from "../ui/keys.ts";
import { number } from "../timeline/format.ts";
import { durationWords } from "../ui/time.ts";
import { changesOf, type Change, type Place } from "./align.ts";
import type { Compared } from "./worker.ts";

const ROW_PX = 32;
const AROUND = 10;
const ORDER: readonly Change[] = ["failed", "mended", "slower", "faster", "new", "gone"];

interface Row {
  at: number;
  place: Place;
  changes: Change[];
}

export function Differences({ compared }: { compared: Compared }) {
  const { places, all, counts } = compared;
  const wanted = useSignal<Change | "">("");
  const folded = useSignal<ReadonlySet<number>>(new Set());
  const active = useSignal(0);
  const seen = useSignal({ first: 0, count: 40 });
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(
    () => rowsOf(places, wanted.value, folded.value),
    [places, wanted.value, folded.value],
  );
  const mostMs = useMemo(
    () => places.reduce((most, { a, b }) => Math.max(most, Math.abs(b.totalMs - a.totalMs)), 0),
    [places],
  );
  const measure = () => {
    const at = scroller.current;
    if (!at) return;
    const first = Math.max(0, Math.floor(at.scrollTop / ROW_PX) - AROUND);
    const count = Math.ceil(at.clientHeight / ROW_PX) + 2 * AROUND;
    if (first !== seen.peek().first || count !== seen.peek().count) seen.value = { first, count };
  };
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  const go = (to: number) => {
    const at = scroller.current!;
    active.value = Math.max(0, Math.min(rows.length - 1, to));
    const top = active.value * ROW_PX;
    if (top < at.scrollTop) at.scrollTop = top;
    else if (top + ROW_PX > at.scrollTop + at.clientHeight) at.scrollTop = top + ROW_PX - at.clientHeight;
  };
  const fold = (row: Row | undefined, isFolded: boolean) => {
    if (!row?.place.below) return;
    const next = new Set(folded.value);
    isFolded ? next.add(row.at) : next.delete(row.at);
    folded.value = next;
  };
  const parentOf = (index: number) => {
    const depth = rows[index]!.place.depth;
    let up = index;
    while (up >= 0 && rows[up]!.place.depth >= depth) up--;
    return up;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey || !rows.length) return;
    const row = rows[active.value];
    const steps: Record<string, () => void> = {
      ArrowDown: () => go(active.value + 1),
      ArrowUp: () => go(active.value - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () =>
        row && folded.value.has(row.at)
          ? fold(row, false)
          : row?.place.below && !wanted.value && go(active.value + 1),
      ArrowLeft: () => {
        if (row?.place.below && !folded.value.has(row.at) && !wanted.value) fold(row, true);
        else if (!wanted.value) go(parentOf(active.value));
      },
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  useKeys(
    useMemo<KeySection>(
      () => ({
        title: "Two plays",
        keys: [
          { key: "ArrowUp / ArrowDown", says: "the place above or below" },
          { key: "ArrowLeft / ArrowRight", says: "folds and unfolds" },
        ],
      }),
      [],
    ),
  );
  const { first, count } = seen.value;
  const shown = rows.slice(first, first + count).map((row, index) => ({ row, index: first + index }));
  const alone = rows[active.value];
  if (alone && (active.value < first || active.value >= first + count))
    shown.push({ row: alone, index: active.value });
  return (
    <>
      <div class="changes" role="group" aria-label="What changed">
        {ORDER.map((change) => (
          <button
            key={change}
            class={`change-filter ${change}`}
            aria-pressed={wanted.value === change}
            disabled={!counts[change]}
            onClick={() => {
              wanted.value = wanted.value === change ? "" : change;
              active.value = 0;
              scroller.current!.scrollTop = 0;
            }}
          >
            {change} <span class="number">{number(counts[change])}</span>
          </button>
        ))}
        <span class="quiet shown">
          {wanted.value
            ? `showing ${number(rows.length)} of ${number(all)} places`
            : places.length < all
              ? `showing the ${number(places.length)} of ${number(all)} places that changed most`
              : `${number(all)} places`}
        </span>
      </div>
      <div
        class="differences"
        role="treegrid"
        aria-label="Differences"
        aria-rowcount={rows.length + 1}
        tabIndex={0}
        aria-activedescendant={rows.length ? `place-${rows[active.value]?.at ?? 0}` : undefined}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" class="head">
          <div role="row" aria-rowindex={1} class="row">
            <div role="columnheader">Span</div>
            <div role="columnheader" class="c-number c-count">
              Count
            </div>
            <div role="columnheader" class="c-number c-a">
              A
            </div>
            <div role="columnheader" class="c-number">
              B
            </div>
            <div role="columnheader" class="c-number">
              Change
            </div>
            <div role="columnheader" class="c-bar">
              <span class="hidden">Change, drawn</span>
            </div>
            <div role="columnheader" class="c-what">
              What
            </div>
          </div>
        </div>
        <div role="rowgroup" class="scroller" ref={scroller} onScroll={measure}>
          <div class="all" role="presentation" style={{ height: `${rows.length * ROW_PX}px` }}>
            {shown.map(({ row, index }) => (
              <DifferenceRow
                key={row.at}
                row={row}
                index={index}
                mostMs={mostMs}
                isActive={index === active.value}
                isFlat={wanted.value !== ""}
                isFolded={folded.value.has(row.at)}
                onPoint={() => (active.value = index)}
                onFold={() => fold(row, !folded.value.has(row.at))}
              />
            ))}
          </div>
        </div>
      </div>
    </>
  );
}

/** The rows in their order: what is folded is left out; of one kind of change, the greatest first. */
function rowsOf(places: readonly Place[], wanted: Change | "", folded: ReadonlySet<number>): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < places.length; at++) {
    const place = places[at]!;
    const changes = changesOf(place);
    if (!wanted) {
      rows.push({ at, place, changes });
      if (folded.has(at)) at += place.below;
    } else if (changes.includes(wanted)) rows.push({ at, place, changes });
  }
  const byMs = ({ place: { a, b } }: Row) => Math.abs(b.totalMs - a.totalMs);
  return wanted ? rows.sort((x, y) => byMs(y) - byMs(x)) : rows;
}

interface RowProps {
  row: Row;
  index: number;
  mostMs: number;
  isActive: boolean;
  isFlat: boolean;
  isFolded: boolean;
  onPoint: () => void;
  onFold: () => void;
}

function DifferenceRow({ row, index, mostMs, isActive, isFlat, isFolded, onPoint, onFold }: RowProps) {
  const { place, changes } = row;
  const { a, b } = place;
  const byMs = b.totalMs - a.totalMs;
  const share = mostMs ? Math.abs(byMs) / mostMs : 0;
  const canFold = place.below > 0 && !isFlat;
  const why = b.error || a.error;
  return (
    <div
      role="row"
      id={`place-${row.at}`}
      aria-rowindex={index + 2}
      aria-level={place.depth + 1}
      aria-expanded={canFold ? !isFolded : undefined}
      class={`row ${isActive ? "active" : ""}`}
      style={{ transform: `translateY(${index * ROW_PX}px)` }}
      onClick={onPoint}
    >
      <div
        role="gridcell"
        class="c-name"
        style={{ paddingLeft: `${isFlat ? 0 : Math.min(place.depth, 30) * 16}px` }}
      >
        <span class="fold" onClick={onFold} aria-hidden="true">
          {canFold ? (isFolded ? "▸" : "▾") : ""}
        </span>
        <span class="cut">{place.name}</span>
        {why && <span class="why cut">{why.slice(0, 200).split("\n", 1)[0]}</span>}
      </div>
      <div role="gridcell" class="c-number c-count">
        {a.count === b.count ? `×${number(a.count)}` : `${number(a.count)} → ${number(b.count)}`}
      </div>
      <div role="gridcell" class="c-number c-a">
        {a.count ? durationWords(a.totalMs) : "–"}
      </div>
      <div role="gridcell" class="c-number">
        {b.count ? durationWords(b.totalMs) : "–"}
      </div>
      <div
        role="gridcell"
        class={`c-number ${changes.find((one) => one === "slower" || one === "faster") ?? "quiet"}`}
      >
        {byMs > 0 ? "+" : ""}
        {durationWords(byMs)}
      </div>
      <div role="gridcell" class="c-bar" aria-hidden="true">
        <span class={byMs > 0 ? "more" : "less"} style={{ width: `${50 * share}%` }} />
      </div>
      <div role="gridcell" class="c-what">
        {changes.map((change) => (
          <span key={change} class={`change ${change}`}>
            {change}
          </span>
        ))}
      </div>
    </div>
  );
}
