/** What can be done with the whole play: find, failures, the critical path, other views, and taking it along. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { lazy } from "../ui/lazy.tsx";
import { durationWords } from "../ui/time.ts";
import { counted, number } from "./format.ts";
import type { Mode, Model } from "./model.ts";

const Ways = lazy(() => import("./ways.tsx").then((module) => module.Ways));

export const FIND_ID = "tl-find";
const MODES: readonly (readonly [Mode, string])[] = [
  ["tree", "Timeline"],
  ["flame", "Flame"],
  ["table", "Names"],
];

export function Toolbar({ model }: { readonly model: Model }) {
  const totals = model.totals.value;
  return (
    <div class="tl-toolbar" role="toolbar" aria-label="Timeline">
      <div class="tl-modes" role="group" aria-label="View">
        {MODES.map(([mode, word]) => (
          <button
            key={mode}
            aria-pressed={model.mode.value === mode}
            onClick={() => (model.mode.value = mode)}
          >
            {word}
          </button>
        ))}
      </div>
      <button
        class={totals.failed ? "tl-failures" : ""}
        disabled={!totals.failed}
        title="Go to the next span that failed (e)"
        onClick={() => void model.goToFailure("next failure")}
      >
        {totals.failed ? `✕ ${number(totals.failed)} failed` : "None failed"}
      </button>
      <button
        aria-pressed={model.isPathOn.value}
        title="What the time went by waiting for (c)"
        onClick={() => void model.togglePath()}
      >
        Critical path
      </button>
      <Find model={model} />
      <span class="tl-space" />
      <Zoom model={model} />
      <TakeAlong model={model} />
    </div>
  );
}

function Find({ model }: { readonly model: Model }) {
  return (
    <span class="tl-find">
      <input
        id={FIND_ID}
        type="search"
        placeholder="Find  /"
        aria-label="Find spans by name, error, tag or log; status:failed, kind:rpc"
        aria-describedby="tl-found"
        autocomplete="off"
        spellcheck={false}
        value={model.text.value}
        onInput={(event) => model.find(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter")
            void model.findNow().then(() => model.nextMatch(event.shiftKey ? -1 : 1));
          else if (event.key === "Escape") {
            model.find("");
            event.currentTarget.blur();
          } else return;
          event.preventDefault();
        }}
      />
      <span id="tl-found" class="tl-found" role="status">
        <Shown model={model} />
      </span>
    </span>
  );
}

/** How much of the play is seen, always. */
function Shown({ model }: { readonly model: Model }) {
  const totals = model.totals.value;
  const all = Math.max(totals.count, model.head.value?.span_count ?? 0);
  if (model.text.value.trim()) {
    return <>{`${number(totals.matches)} of ${counted(all, "span")}${model.isFinding.value ? " …" : ""}`}</>;
  }
  if (!totals.isLoaded && all > totals.count)
    return <>{`${number(totals.count)} of ${number(all)} spans read`}</>;
  if (totals.rows < totals.count)
    return <>{`showing ${number(totals.rows)} rows of ${counted(all, "span")}`}</>;
  return <>{counted(all, "span")}</>;
}

function Zoom({ model }: { readonly model: Model }) {
  const zoomed = model.zoomed.value;
  return (
    <span class="tl-zoom" role="group" aria-label="Zoom">
      <button title="Zoom out (s)" aria-label="Zoom out" onClick={() => model.zoom(1.6)}>
        −
      </button>
      <button
        class="tl-range"
        title="Show all of the play (0)"
        disabled={!zoomed}
        onClick={() => ((model.zoomed.value = null), model.redraw())}
      >
        {zoomed ? durationWords(zoomed.toMs - zoomed.fromMs) : "all"}
      </button>
      <button title="Zoom in (w)" aria-label="Zoom in" onClick={() => model.zoom(1 / 1.6)}>
        +
      </button>
    </span>
  );
}

function TakeAlong({ model }: { readonly model: Model }) {
  const isOpen = useSignal(false);
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const away = (event: Event): void => {
      if (!menu.current?.contains(event.target as Node)) isOpen.value = false;
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, []);
  return (
    <div class="tl-menu" ref={menu} onKeyDown={(event) => event.key === "Escape" && (isOpen.value = false)}>
      <button
        aria-expanded={isOpen.value}
        aria-haspopup="true"
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        Export
      </button>
      {isOpen.value && (
        <div class="tl-menu-list">
          <Ways model={model} />
        </div>
      )}
    </div>
  );
}
