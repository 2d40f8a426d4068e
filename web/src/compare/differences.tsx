// The places of two plays as a tree, with what became of each. Rows that are seen are drawn, however many there are.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useKeys, type KeySection } from "../ui/keys.ts";
import { number } from "../timeline/format.ts";
import { Said } from "../ui/said.tsx";
import { durationWords } from "../ui/time.ts";
import type { Change } from "./align.ts";
import { rowAt, rowsOf, topsOf, type Row } from "./rows.ts";
import type { Compared } from "./worker.ts";

const ROW_PX = 32;
const ERROR_PX = 20;
const AROUND = 10;
const ORDER: readonly Change[] = ["failed", "mended", "slower", "faster", "new", "gone"];

export function Differences({ compared }: { compared: Compared }) {
  const { places, all, counts } = compared;
  const wanted = useSignal<Change | "">("");
  const folded = useSignal<ReadonlySet<number>>(new Set());
  const active = useSignal(0);
  const seen = useSignal({ top: 0, height: 1200, rowPx: ROW_PX });
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(
    () => rowsOf(places, wanted.value, folded.value),
    [places, wanted.value, folded.value],
  );
  const mostMs = useMemo(
    () => places.reduce((most, { a, b }) => Math.max(most, Math.abs(b.totalMs - a.totalMs)), 0),
    [places],
  );
  const { rowPx } = seen.value;
  const tops = useMemo(() => topsOf(rows, rowPx, ERROR_PX), [rows, rowPx]);
  const measure = () => {
    const at = scroller.current;
    if (!at) return;
    const height = parseFloat(getComputedStyle(at).getPropertyValue("--row-height")) || ROW_PX;
    const next = { top: at.scrollTop, height: at.clientHeight, rowPx: height };
    const was = seen.peek();
    if (next.top !== was.top || next.height !== was.height || next.rowPx !== was.rowPx) seen.value = next;
  };
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  const go = (to: number) => {
    const at = scroller.current!;
    active.value = Math.max(0, Math.min(rows.length - 1, to));
    const [top, end] = [tops[active.value]!, tops[active.value + 1]!];
    if (top < at.scrollTop) at.scrollTop = top;
    else if (end > at.scrollTop + at.clientHeight) at.scrollTop = end - at.clientHeight;
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
  const first = Math.max(0, rowAt(tops, seen.value.top) - AROUND);
  const last = Math.min(rows.length, rowAt(tops, seen.value.top + seen.value.height) + 1 + AROUND);
  const shown = rows.slice(first, last).map((row, index) => ({ row, index: first + index }));
  const alone = rows[active.value];
  if (alone && (active.value < first || active.value >= last))
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
        class={`differences ${tops[rows.length]! > seen.value.height ? "scrolls" : ""}`}
        role="treegrid"
        aria-label="Differences"
        aria-rowcount={rows.length + 1}
        tabIndex={0}
        aria-activedescendant={rows.length ? `place-${rows[active.value]?.at ?? 0}` : undefined}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" class="head">
          <div role="row" aria-rowindex={1} class="row">
            <div role="columnheader" class="c-name">
              Span
            </div>
            <div role="columnheader" class="c-number c-count">
              Count
            </div>
            <div role="columnheader" class="c-number c-a">
              A
            </div>
            <div role="columnheader" class="c-number c-b">
              B
            </div>
            <div role="columnheader" class="c-number c-by">
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
          <div class="all" role="presentation" style={{ height: `${tops[rows.length]}px` }}>
            {shown.map(({ row, index }) => (
              <DifferenceRow
                key={row.at}
                row={row}
                index={index}
                top={tops[index]!}
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

interface RowProps {
  row: Row;
  index: number;
  top: number;
  mostMs: number;
  isActive: boolean;
  isFlat: boolean;
  isFolded: boolean;
  onPoint: () => void;
  onFold: () => void;
}

function DifferenceRow({ row, index, top, mostMs, isActive, isFlat, isFolded, onPoint, onFold }: RowProps) {
  const { place, changes, failures } = row;
  const { a, b } = place;
  const byMs = b.totalMs - a.totalMs;
  const share = mostMs ? Math.abs(byMs) / mostMs : 0;
  const canFold = place.below > 0 && !isFlat;
  return (
    <div
      role="row"
      id={`place-${row.at}`}
      aria-rowindex={index + 2}
      aria-level={place.depth + 1}
      aria-expanded={canFold ? !isFolded : undefined}
      class={`row ${isActive ? "active" : ""}`}
      style={{ transform: `translateY(${top}px)`, "--depth": isFlat ? 0 : place.depth }}
      onClick={onPoint}
    >
      <div role="gridcell" class="c-name">
        <span class="fold" onClick={onFold} aria-hidden="true">
          {canFold ? (isFolded ? "▸" : "▾") : ""}
        </span>
        <span class="cut" title={place.name}>
          {place.name}
        </span>
      </div>
      <div role="gridcell" class="c-number c-count">
        {a.count === b.count ? `×${number(a.count)}` : `${number(a.count)} → ${number(b.count)}`}
      </div>
      <div role="gridcell" class="c-number c-a">
        {a.count ? durationWords(a.totalMs) : "–"}
      </div>
      <div role="gridcell" class="c-number c-b">
        {b.count ? durationWords(b.totalMs) : "–"}
      </div>
      <div
        role="gridcell"
        class={`c-number c-by ${changes.find((one) => one === "slower" || one === "faster") ?? "quiet"}`}
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
      {failures.length > 0 && (
        <div role="gridcell" class="c-why">
          {failures.map(({ whose, text }) => (
            <p key={whose} class="cut" title={text}>
              <b>{whose}</b> <Said text={text} />
            </p>
          ))}
        </div>
      )}
    </div>
  );
}
