/** The timeline of a play: tree and waterfall under one scroll, the details of a span beside them. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { LiveStore } from "../live/store.ts";
import { navigate, query, withQuery } from "../router.ts";
import { type KeySection, useKeys } from "../ui/keys.ts";
import { lazy } from "../ui/lazy.tsx";
import { durationWords } from "../ui/time.ts";
import { Minimap } from "./minimap.tsx";
import { type Mode, Model } from "./model.ts";
import { Scrollbar } from "./scrollbar.tsx";
import { FIND_ID, Toolbar } from "./toolbar.tsx";
import { Tree, treeKey } from "./tree.tsx";
import { Waterfall } from "./waterfall.tsx";

import "./timeline.css";
import "./details.css";
import "./views.css";
import "./narrow.css";

const Details = lazy(() => import("./details.tsx").then((module) => module.Details));
const Flame = lazy(() => import("./flame-view.tsx").then((module) => module.FlameView));
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
    // Without anything in focus arrows are the tree's.
    const arrows = (event: KeyboardEvent): void => {
      const at = document.activeElement;
      if (event.defaultPrevented || (at && at !== document.body && at.id !== "main")) return;
      if (document.querySelector("dialog[open]")) return;
      if (event.key.startsWith("Arrow") && treeKey(model, event)) event.preventDefault();
    };
    document.addEventListener("keydown", arrows);
    return () => document.removeEventListener("keydown", arrows);
  }, [model]);
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
      <PathSays model={model} />
      <div class="tl-split">
        <div class="tl-main">
          {mode === "tree" && <TreeAndWaterfall model={model} />}
          {mode === "flame" && <Flame model={model} />}
          {mode === "table" && <Names model={model} />}
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
      <span class="hidden" role="status">
        {model.said.value}
      </span>
    </section>
  );
}

function Nothing({ model }: { readonly model: Model }) {
  const { failed, count } = model.totals.value;
  return (
    <div class="tl-nothing">
      <p>Choose a span to see its tags, logs and errors.</p>
      {failed > 0 ? (
        <p>
          <button onClick={() => void model.nextFailure(1)}>Show what failed</button>
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

function PathSays({ model }: { readonly model: Model }) {
  const names = model.totals.value.pathNames;
  if (!model.isPathOn.value || !names.length) return null;
  const { fromMs, toMs } = model.extent();
  return (
    <p class="tl-path-says" role="status">
      <b>The time went by waiting for</b>
      {names.map(({ name, ms }) => (
        <span key={name}>
          {name || "no name"} <span class="number">{durationWords(ms)}</span> (
          {Math.round((100 * ms) / Math.max(toMs - fromMs, 1e-9))} %)
        </span>
      ))}
    </p>
  );
}

function keysOf(model: Model): KeySection {
  return {
    title: "Timeline",
    keys: [
      { key: "ArrowUp / ArrowDown", says: "the row above, the row below" },
      { key: "ArrowLeft / ArrowRight", says: "fold or go to the parent, unfold" },
      { key: "e", says: "the next failure", run: () => void model.nextFailure(1) },
      { key: "E", says: "the failure before", run: () => void model.nextFailure(-1) },
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
      { key: "[", says: "fold all", run: () => void model.fold({ kind: "fold", how: "none", key: "" }) },
      { key: "]", says: "unfold all", run: () => void model.fold({ kind: "fold", how: "all", key: "" }) },
      {
        key: "-",
        says: "fold one level",
        run: () => void model.fold({ kind: "fold", how: "shallower", key: "" }),
      },
      {
        key: "+",
        says: "unfold one level",
        run: () => void model.fold({ kind: "fold", how: "deeper", key: "" }),
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
