/** The timeline of a play: tree and waterfall under one scroll, the details of a span beside them. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { LiveStore } from "../live/store.ts";
import { navigate, query, withQuery } from "../router.ts";
import { isTyping, type KeySection, useKeys } from "../ui/keys.ts";
import { lazy } from "../ui/lazy.tsx";
import { Minimap } from "./minimap.tsx";
import { type Mode, Model } from "./model.ts";
import { Scrollbar } from "./scrollbar.tsx";
import { FIND_ID, Toolbar } from "./toolbar.tsx";
import { Tree, TREE_ID, treeKey } from "./tree.tsx";
import { Waterfall } from "./waterfall.tsx";

import "./timeline.css";
import "./details.css";
import "./views.css";
import "./narrow.css";

const Details = lazy(() => import("./details.tsx").then((module) => module.Details));
const Flame = lazy(() => import("./flame-view.tsx").then((module) => module.FlameView));
const PathSays = lazy(() => import("./path-says.tsx").then((module) => module.PathSays), true);
const Names = lazy(() => import("./table.tsx").then((module) => module.NamesView));

const LEAST_TREE_PX = 130;
const LINK_PAUSE_MS = 300;
const ZOOM_STEP = 0.75;
const PAN_STEP = 0.15;

export function Timeline({ live }: { readonly sid: string; readonly live: LiveStore }) {
  const model = useMemo(() => new Model(live), [live]);
  useEffect(() => {
    startFrom(model);
    model.open();
    const end = keepLink(model);
    return () => {
      end();
      model.close();
    };
  }, [model]);
  useKeys(useMemo(() => keysOf(model), [model]));
  useEffect(() => {
    const move = (event: KeyboardEvent): void => {
      if (!isForTheTree(event) || !treeKey(model, event)) return;
      event.preventDefault();
      // From here on it hears them itself, and says where one is.
      document.getElementById(TREE_ID)?.focus({ preventScroll: true });
    };
    document.addEventListener("keydown", move);
    return () => document.removeEventListener("keydown", move);
  }, [model]);
  useEffect(() => followChoice(model), [model]);
  const mode = model.mode.value;
  return (
    <section class="timeline" aria-label="Timeline">
      <Toolbar model={model} />
      <Minimap model={model} />
      {model.trouble.value && (
        <div class="problem" role="alert">
          <p>The spans could not be read: {model.trouble.value}</p>
          <button onClick={() => model.open()}>Try again</button>
        </div>
      )}
      {model.isPathOn.value && <PathSays model={model} />}
      <div class="tl-split">
        <div class="tl-main">
          {mode === "tree" && <TreeAndWaterfall model={model} />}
          {mode === "flame" && <Flame model={model} />}
          {mode === "table" && <Names model={model} />}
          <p class="tl-said" role="status">
            {model.said.value}
          </p>
        </div>
        <section
          class={`tl-details ${model.selected.value ? "" : "none"}`}
          id="tl-details"
          role="region"
          aria-label="Details"
          tabIndex={-1}
        >
          {model.selected.value ? <Details model={model} /> : <Nothing model={model} />}
        </section>
      </div>
    </section>
  );
}

/** Where the details open below the rows, what a hand or a key chose brings them into the window. */
function followChoice(model: Model): () => void {
  let isAsked = false;
  const abort = new AbortController();
  const ask = (): void => void (isAsked = true);
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, ask, { capture: true, signal: abort.signal });
  const stop = model.selected.subscribe((key) => {
    if (!key || !isAsked || !matchMedia("(max-width: 900px)").matches) return;
    requestAnimationFrame(() => document.getElementById("tl-details")?.scrollIntoView({ block: "nearest" }));
  });
  return () => (abort.abort(), stop());
}

const MOVING = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "Home", "End"];
/** What has a use of its own for these keys, or is scrolled by them. */
const MOVED_APART = "#tl-details, [role=treegrid], [role=separator], [role=region], .tl-menu, pre, dialog";

/** Whether a key is the tree's, though something else has the focus: a page that was just opened, or a button. */
function isForTheTree(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || !MOVING.includes(event.key) || isTyping(event.target)) return false;
  if (document.querySelector("dialog[open]") || !document.getElementById(TREE_ID)) return false;
  return !(event.target as Element).closest?.(MOVED_APART);
}

function Nothing({ model }: { readonly model: Model }) {
  const { failed, count } = model.totals.value;
  return (
    <div class="tl-nothing">
      <p>Choose a span to see its tags, logs and errors.</p>
      {failed > 0 ? (
        <p>
          <button onClick={() => void model.goToFailure("next failure")}>Show what failed</button>
        </p>
      ) : (
        count > 0 && <p class="quiet">Arrows move, / finds, c shows the critical path, ? shows all keys.</p>
      )}
    </div>
  );
}

function TreeAndWaterfall({ model }: { readonly model: Model }) {
  const width = useSignal(0);
  const { count, isLoaded } = model.totals.value;
  const drag = (event: PointerEvent): void => {
    const split = event.currentTarget as HTMLElement;
    if (!split.hasPointerCapture(event.pointerId)) return;
    const { left, width: whole } = split.parentElement!.getBoundingClientRect();
    width.value = Math.max(LEAST_TREE_PX, Math.min(whole - LEAST_TREE_PX, event.clientX - left));
  };
  return (
    <div class="tl-area" style={width.value ? { "--tl-tree": `${width.value}px` } : {}}>
      <Tree model={model} />
      <div
        class="tl-divider"
        role="separator"
        aria-label="Width of the tree"
        aria-orientation="vertical"
        aria-valuenow={Math.round(width.value) || 380}
        aria-valuemin={LEAST_TREE_PX}
        aria-valuemax={2000}
        tabIndex={0}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={drag}
        onKeyDown={(event) => {
          const by = event.key === "ArrowLeft" ? -24 : event.key === "ArrowRight" ? 24 : 0;
          if (!by) return;
          event.preventDefault();
          const now = width.value || event.currentTarget.previousElementSibling!.clientWidth;
          width.value = Math.max(LEAST_TREE_PX, now + by);
        }}
      />
      <Waterfall model={model} />
      <Scrollbar model={model} />
      {!isLoaded && count === 0 && !model.trouble.value && (
        <p class="tl-empty tl-soon">Reading the spans …</p>
      )}
      {isLoaded && count === 0 && <NoSpans model={model} />}
    </div>
  );
}

function NoSpans({ model }: { readonly model: Model }) {
  return (
    <div class="tl-empty">
      {model.isRunning ? (
        <p>No span yet. The first is shown as soon as it begins.</p>
      ) : (
        <p>
          This play has no spans. A flow makes them with <code>@step</code> and <code>with span("name")</code>{" "}
          of <code>hero_tracing</code>.
        </p>
      )}
    </div>
  );
}

function keysOf(model: Model): KeySection {
  return {
    title: "Timeline",
    keys: [
      { key: "ArrowUp / ArrowDown", says: "the row above, the row below" },
      { key: "PageUp / PageDown", says: "a screen up, a screen down" },
      { key: "Home / End", says: "the first row, the last row" },
      { key: "ArrowLeft / ArrowRight", says: "fold or go to the parent, unfold" },
      { key: "e", says: "the next failure", run: () => void model.goToFailure("next failure") },
      { key: "E", says: "the failure before", run: () => void model.goToFailure("failure before") },
      { key: "/", says: "find", run: focusFind },
      { key: "n", says: "the next that was found", run: () => void model.nextMatch(1) },
      { key: "N", says: "the one before", run: () => void model.nextMatch(-1) },
      { key: "c", says: "the critical path", run: () => void model.togglePath() },
      { key: "w", says: "zoom in", run: () => model.zoom(ZOOM_STEP) },
      { key: "s", says: "zoom out", run: () => model.zoom(1 / ZOOM_STEP) },
      { key: "a", says: "pan left", run: () => model.pan(-PAN_STEP) },
      { key: "d", says: "pan right", run: () => model.pan(PAN_STEP) },
      { key: "f", says: "zoom to the span", run: () => void fitSelected(model) },
      { key: "0", says: "show all of the play", run: () => ((model.zoomed.value = null), model.redraw()) },
      { key: "[", says: "fold all but the way to the span", run: () => void model.fold("none") },
      { key: "]", says: "unfold all", run: () => void model.fold("all") },
      {
        key: "-",
        says: "fold one level",
        run: () => void model.fold("shallower"),
      },
      {
        key: "+",
        says: "unfold one level",
        run: () => void model.fold("deeper"),
      },
      { key: "Enter", says: "to the details of the span" },
    ],
  };
}

function focusFind(): void {
  const find = document.getElementById(FIND_ID) as HTMLInputElement | null;
  find?.focus();
  find?.select();
}

async function fitSelected(model: Model): Promise<void> {
  const facts = await model.ask<"span">({ kind: "span", key: model.selected.value, nowMs: model.nowMs() });
  if (facts && !facts.group) model.fit(facts.startMs, facts.endMs);
}

/** What the address says: which span, which view, what is looked for, which time. */
function startFrom(model: Model): void {
  const given = query.value;
  const span = given.get("span");
  if (span) model.want(span);
  const mode = given.get("view");
  if (mode === "flame" || mode === "table") model.mode.value = mode satisfies Mode;
  const text = given.get("q");
  if (text) model.find(text);
  const [from, to] = (given.get("t") ?? "").split("-").map(Number);
  if (from === undefined || to === undefined || !(to > from)) return;
  const stop = model.totals.subscribe((totals) => {
    if (!Number.isFinite(totals.minMs)) return;
    const { fromMs } = model.extent();
    model.show(fromMs + from, fromMs + to);
    queueMicrotask(() => stop());
  });
}

/** Keep the address such that it leads here. */
function keepLink(model: Model): () => void {
  let timer = 0;
  const write = async (): Promise<void> => {
    const key = model.selected.value;
    const facts = key.startsWith("s") ? await model.ask<"span">({ kind: "span", key, nowMs: 0 }) : null;
    const zoomed = model.zoomed.value;
    const { fromMs } = model.extent();
    const address = withQuery({
      span: facts?.spanId ?? null,
      view: model.mode.value === "tree" ? null : model.mode.value,
      q: model.text.value || null,
      t: zoomed ? `${(zoomed.fromMs - fromMs).toFixed(3)}-${(zoomed.toMs - fromMs).toFixed(3)}` : null,
    });
    if (address !== location.pathname + location.search) navigate(address, { replace: true });
  };
  let isFirst = true;
  const later = (): void => {
    if (isFirst) return;
    clearTimeout(timer);
    timer = window.setTimeout(() => void write(), LINK_PAUSE_MS);
  };
  const stops = [model.selected, model.mode, model.text, model.zoomed].map((one) => one.subscribe(later));
  isFirst = false;
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}
