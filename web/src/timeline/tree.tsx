/** The tree: the rows in sight as elements, for eyes, hands and screen readers; all others are numbers in the worker. */

import { useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { statusWord } from "../ui/status.tsx";
import { durationWords } from "../ui/time.ts";
import { AXIS_PX } from "./draw.ts";
import { counted, number } from "./format.ts";
import { ORPHANS_KEY, type RowView } from "./messages.ts";
import { type Model, ROW_PX } from "./model.ts";
import { KINDS, STATUSES } from "./spans.ts";
import { turnWheel } from "./waterfall.tsx";

export const TREE_ID = "tl-tree";
/** Deeper rows stand no further in; they say how deep they are. */
const DEEPEST_INDENT = 18;

export function Tree({ model }: { readonly model: Model }) {
  const element = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const tree = element.current!;
    const abort = new AbortController();
    const { signal } = abort;
    tree.addEventListener("wheel", (event) => turnWheel(model, tree, event), { signal, passive: false });
    dragToScroll(model, tree, signal);
    // Scrolling moves what is there at once; which rows are there follows with the next answer.
    const end = model.onFrame(() => {
      const view = model.view.value;
      if (!view || !body.current) return;
      body.current.style.transform = `translateY(${Math.round((view.first - model.scroll.value) * ROW_PX)}px)`;
    });
    return () => (abort.abort(), end());
  }, [model]);
  const view = model.view.value;
  const totals = model.totals.value;
  const selected = model.selected.value;
  const isShown = view?.rows.some((row) => row.key === selected);
  return (
    <div class="tl-tree">
      <div class="tl-tree-head" style={{ height: `${AXIS_PX}px` }} aria-hidden="true">
        <span>Span</span>
        <span>Took</span>
      </div>
      <div
        class="tl-rows"
        id={TREE_ID}
        ref={element}
        role="treegrid"
        aria-label="Spans"
        aria-rowcount={totals.count || model.head.value?.span_count || 0}
        aria-activedescendant={isShown ? domId(selected) : undefined}
        aria-busy={!totals.isLoaded}
        tabIndex={0}
        onKeyDown={(event) => void (treeKey(model, event) && event.preventDefault())}
      >
        <div class="tl-rows-body" ref={body} role="rowgroup">
          {view?.rows.map((row, index) => (
            <Row
              key={row.key}
              row={row}
              model={model}
              isSelected={row.key === selected}
              isOdd={(view.first + index) % 2 === 1}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

export function domId(key: string): string {
  return `span-${key.replaceAll("/", "-")}`;
}

interface RowProps {
  readonly row: RowView;
  readonly model: Model;
  readonly isSelected: boolean;
  readonly isOdd: boolean;
}

function Row({ row, model, isSelected, isOdd }: RowProps) {
  const status = STATUSES[row.status]!;
  const isDeep = row.level > DEEPEST_INDENT;
  return (
    <div
      role="row"
      id={domId(row.key)}
      class={`tl-row ${isOdd ? "odd" : ""} ${row.row < 0 ? "stands-for" : ""} ${row.isMatch ? "match" : ""} ${row.failedBelow ? "has-failed" : ""}`}
      aria-level={row.level}
      aria-expanded={row.isOpen ?? undefined}
      aria-rowindex={row.place || undefined}
      aria-selected={isSelected}
      style={{ height: `${ROW_PX}px` }}
      onClick={() => model.select(row.key)}
      onDblClick={() => row.row >= 0 && model.fit(row.startMs, row.endMs)}
      onMouseEnter={() => ((model.hovered.value = row.key), model.redraw())}
      onMouseLeave={() => ((model.hovered.value = ""), model.redraw())}
    >
      <div role="gridcell" class="tl-name" style={{ "--tl-depth": Math.min(row.level, DEEPEST_INDENT) - 1 }}>
        <span
          class={`tl-twist ${row.isOpen === null ? "leaf" : row.isOpen ? "open" : ""}`}
          aria-hidden="true"
          onClick={(event) => {
            if (row.isOpen === null) return;
            event.stopPropagation();
            void model.fold("toggle", row.key);
          }}
        />
        <StatusSign status={row.status} />
        <span class="hidden">{statusWord(status)}</span>
        {isDeep && <span class="tl-badge">level {row.level}</span>}
        <span class="tl-label" title={row.error || row.name}>
          {row.name || <i>no name</i>}
        </span>
        <Badges row={row} model={model} />
      </div>
      <div role="gridcell" class="tl-took">
        <Took row={row} model={model} />
      </div>
    </div>
  );
}

function Took({ row, model }: { readonly row: RowView; readonly model: Model }) {
  if (row.group) return <span title="all of them together">{durationWords(row.group.totalMs)}</span>;
  if (row.row < 0) return null;
  if (Number.isNaN(row.endMs)) return <Lasting model={model} sinceMs={row.startMs} />;
  return <span>{durationWords(Math.max(0, row.endMs - row.startMs))}</span>;
}

/** How long something has run that still does, by the clock of the frame that draws its bar. */
export function Lasting({ model, sinceMs }: { readonly model: Model; readonly sinceMs: number }) {
  const words = useComputed(() =>
    durationWords(Math.max(0, (model.frameMs.value || model.nowMs()) - sinceMs)),
  );
  return <span class="runs">{words}</span>;
}

function Badges({ row, model }: { readonly row: RowView; readonly model: Model }) {
  const { group } = row;
  if (group) {
    const go = (to: number) => (event: Event) => {
      event.stopPropagation();
      void model.go({ kind: "go", to: "span", row: to });
    };
    return (
      <>
        <span class="tl-count">×{number(group.count)}</span>
        {group.failed > 0 && (
          <button
            class="tl-badge failed"
            tabIndex={-1}
            onClick={go(group.firstFailed)}
            title={`${number(group.failed)} failed: go to the first`}
          >
            <span aria-hidden="true">✕ </span>
            {number(group.failed)}
            <span class="tl-word"> failed</span>
          </button>
        )}
        {group.running > 0 && (
          <span class="tl-badge runs" title={`${number(group.running)} running`}>
            <span aria-hidden="true">● </span>
            {number(group.running)}
            <span class="tl-word"> running</span>
          </span>
        )}
        {group.slowest >= 0 && (
          <button
            class="tl-badge slowest"
            tabIndex={-1}
            onClick={go(group.slowest)}
            title={`The slowest took ${durationWords(group.slowestMs)}: go there`}
          >
            <span class="tl-word">slowest </span>
            <span class="tl-short" aria-hidden="true">
              max{" "}
            </span>
            {durationWords(group.slowestMs)}
          </button>
        )}
        {row.isOnPath && <PathMark />}
      </>
    );
  }
  const isOrphans = row.key === ORPHANS_KEY;
  return (
    <>
      {(row.isOpen === false || isOrphans) && <span class="tl-count">{number(row.below)}</span>}
      {row.failedBelow > 0 && !isOrphans && (
        <span class="tl-badge failed" title={`${counted(row.failedBelow, "span")} below did not end ok`}>
          ✕ {number(row.failedBelow)}
        </span>
      )}
      {row.hasChild && (
        <span class="tl-badge" title="It ran another play">
          play
        </span>
      )}
      {row.kind !== 0 && row.row >= 0 && KINDS[row.kind] === "rpc" && <span class="tl-badge">rpc</span>}
      {row.isOnPath && <PathMark />}
    </>
  );
}

function PathMark() {
  return (
    <span class="tl-path-mark" title="On the critical path">
      <span class="hidden">on the critical path</span>
    </span>
  );
}

const SHAPES = [
  "M11.5 7A4.5 4.5 0 1 1 7 2.5",
  "M3 7.4l2.6 2.7L11 4.2",
  "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M4 4l6 6",
  "M4 2.5h6M4 11.5h6M5 2.5c0 2.5 4 6.5 4 9M9 2.5c0 2.5-4 6.5-4 9",
  "M3.5 3.5l7 7M10.5 3.5l-7 7",
];

/** A shape for each status: nothing depends on a colour. */
export function StatusSign({ status }: { readonly status: number }) {
  return (
    <svg class={`tl-sign ${STATUSES[status]!}`} viewBox="0 0 14 14" aria-hidden="true">
      <path d={SHAPES[status]} />
    </svg>
  );
}

/** The keys of a tree; whether it was one. */
export function treeKey(model: Model, event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const page = Math.max(1, Math.floor(model.seenRows()) - 2);
  const row = model.view.value?.rows.find(({ key }) => key === model.selected.value);
  const key = model.selected.value;
  switch (event.key) {
    case "ArrowDown":
      void model.step(1);
      return true;
    case "ArrowUp":
      void model.step(-1);
      return true;
    case "PageDown":
      void model.step(page);
      return true;
    case "PageUp":
      void model.step(-page);
      return true;
    case "Home":
      void model.go({ kind: "go", to: "end", step: -1 }, false);
      return true;
    case "End":
      void model.go({ kind: "go", to: "end", step: 1 }, false);
      return true;
    case "ArrowRight":
      if (!row || row.isOpen === null) return true;
      if (row.isOpen === false || row.group?.isBrief) void model.fold("open", key);
      else void model.step(1);
      return true;
    case "ArrowLeft":
      if (row?.isOpen) void model.fold("close", key);
      else void model.go({ kind: "go", to: "parent", from: key }, false);
      return true;
    case "Enter":
      document.getElementById("tl-details")?.focus();
      return true;
    case " ":
      if (row && row.isOpen !== null) void model.fold("toggle", key);
      return true;
    default:
      return false;
  }
}

/** A finger drags the rows; a mouse does not, it chooses. */
function dragToScroll(model: Model, element: HTMLElement, signal: AbortSignal): void {
  let last = 0;
  let lastMs = 0;
  let speed = 0;
  let finger = -1;
  let frame = 0;
  element.addEventListener(
    "pointerdown",
    (event) => {
      if (event.pointerType === "mouse") return;
      cancelAnimationFrame(frame);
      [finger, last, lastMs, speed] = [event.pointerId, event.clientY, performance.now(), 0];
    },
    { signal },
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      if (event.pointerId !== finger) return;
      const by = last - event.clientY;
      const nowMs = performance.now();
      speed = by / Math.max(1, nowMs - lastMs);
      [last, lastMs] = [event.clientY, nowMs];
      const before = model.scroll.value;
      model.scrollTo(before + by / ROW_PX);
      // At its end the page itself goes on, as it does with any list.
      const rest = by - (model.scroll.value - before) * ROW_PX;
      if (rest) element.closest("main")?.scrollBy(0, rest);
    },
    { signal },
  );
  const lift = (event: PointerEvent): void => {
    if (event.pointerId !== finger) return;
    finger = -1;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    let beforeMs = performance.now();
    const glide = (nowMs: number): void => {
      const passed = Math.min(50, nowMs - beforeMs);
      beforeMs = nowMs;
      speed *= Math.exp(-passed / 325);
      if (Math.abs(speed) < 0.02) return;
      model.scrollTo(model.scroll.value + (speed * passed) / ROW_PX);
      frame = requestAnimationFrame(glide);
    };
    if (Math.abs(speed) > 0.2) frame = requestAnimationFrame(glide);
  };
  element.addEventListener("pointerup", lift, { signal });
  element.addEventListener("pointercancel", lift, { signal });
}
