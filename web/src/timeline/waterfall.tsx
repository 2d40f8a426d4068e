/** The canvas beside the tree, and what a hand does on it: wheel, drag, pinch. */

import { useEffect, useRef } from "preact/hooks";
import { AXIS_PX, drawScene, type Palette, readPalette } from "./draw.ts";
import type { LogTimes } from "./log-times.ts";
import type { RowView } from "./messages.ts";
import { type Model, ROW_PX } from "./model.ts";

const NO_LOGS: ReadonlyMap<number, readonly number[]> = new Map();
const ZOOM_A_PIXEL = 0.0025;
const CLICK_PX = 4;

export function Waterfall({ model }: { readonly model: Model }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current!;
    const painter = new Painter(model, element);
    const end = handle(model, element);
    return () => {
      painter.close();
      end();
    };
  }, [model]);
  return <canvas class="tl-canvas" ref={canvas} aria-hidden="true" />;
}

class Painter {
  #palette: Palette;
  /** As it was measured last: to ask for it in each frame would lay out the page once more in each. */
  #width = 1;
  #height = 1;
  #logs: LogTimes | null = null;
  #areLogsWanted = false;
  readonly #stop: (() => void)[] = [];

  constructor(
    private readonly model: Model,
    private readonly canvas: HTMLCanvasElement,
  ) {
    this.#palette = readPalette(canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const turn = (): void => {
      this.#palette = readPalette(canvas);
      model.redraw();
    };
    dark.addEventListener("change", turn);
    const theme = new MutationObserver(turn);
    theme.observe(document.documentElement, { attributes: true });
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(canvas);
    this.#stop.push(
      model.onFrame(() => this.#paint()),
      () => dark.removeEventListener("change", turn),
      () => theme.disconnect(),
      () => sizes.disconnect(),
      () => this.#logs?.close(),
    );
    this.#resize();
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  #resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    [this.#width, this.#height] = [clientWidth, clientHeight];
    const ratio = Math.min(3, devicePixelRatio || 1);
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.model.resize(clientWidth, Math.max(ROW_PX, clientHeight - AXIS_PX));
    this.#paint();
  }

  #paint(): void {
    const { model } = this;
    const view = model.view.value;
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) return;
    const rows = view?.rows ?? [];
    drawScene(
      context,
      {
        width: this.#width,
        height: this.#height,
        ratio: this.canvas.width / Math.max(1, this.#width),
        rows,
        first: view?.first ?? 0,
        scroll: model.scroll.value,
        range: model.range(),
        extentFromMs: model.extent().fromMs,
        nowMs: model.frameMs.peek() || model.nowMs(),
        selected: model.selected.value,
        hovered: model.hovered.value,
        isPathOn: model.isPathOn.value,
        isFinding: model.text.value !== "" && model.totals.value.matches > 0,
        isStill: matchMedia("(prefers-reduced-motion: reduce)").matches,
        logs: this.#logsOf(rows),
      },
      this.#palette,
    );
    if (view) model.painted(rows.length);
  }

  /** When logs came; what asks for that is loaded with the first row that has some. */
  #logsOf(rows: readonly RowView[]): ReadonlyMap<number, readonly number[]> {
    if (!this.#areLogsWanted && rows.some((row) => row.hasLogs)) {
      this.#areLogsWanted = true;
      import("./log-times.ts").then(
        ({ LogTimes }) => {
          this.#logs = new LogTimes(this.model);
          this.model.redraw();
        },
        () => undefined, // there are no marks then
      );
    }
    return this.#logs?.of(rows) ?? NO_LOGS;
  }
}

/** What a hand does; the function that is returned ends it. */
function handle(model: Model, canvas: HTMLCanvasElement): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  const touches = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const rowAt = (event: { clientY: number }): number =>
    Math.floor(model.scroll.value + (event.clientY - canvas.getBoundingClientRect().top - AXIS_PX) / ROW_PX);
  const keyAt = (event: { clientY: number }): string => {
    const view = model.view.value;
    return view?.rows[rowAt(event) - view.first]?.key ?? "";
  };
  canvas.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      touches.set(event.pointerId, { x: event.clientX, y: event.clientY });
      moved = 0;
    },
    { signal },
  );
  canvas.addEventListener(
    "pointermove",
    (event) => {
      const before = touches.get(event.pointerId);
      if (!before) {
        const key = keyAt(event);
        if (key !== model.hovered.value) {
          model.hovered.value = key;
          model.redraw();
        }
        return;
      }
      const now = { x: event.clientX, y: event.clientY };
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      if (touches.size === 2) pinch(model, canvas, touches, event.pointerId, now);
      else {
        model.pan((before.x - now.x) / canvas.clientWidth);
        model.scrollTo(model.scroll.value + (before.y - now.y) / ROW_PX);
      }
      touches.set(event.pointerId, now);
    },
    { signal },
  );
  const lift = (event: PointerEvent): void => {
    const wasDown = touches.delete(event.pointerId);
    if (!wasDown || event.type === "pointercancel" || moved > CLICK_PX) return;
    const key = keyAt(event);
    if (key) model.select(key);
  };
  canvas.addEventListener("pointerup", lift, { signal });
  canvas.addEventListener("pointercancel", lift, { signal });
  canvas.addEventListener(
    "pointerleave",
    () => {
      model.hovered.value = "";
      model.redraw();
    },
    { signal },
  );
  canvas.addEventListener(
    "dblclick",
    (event) => {
      const view = model.view.value;
      const row = view?.rows[rowAt(event) - view.first];
      if (row && row.row >= 0) model.fit(row.startMs, row.endMs);
    },
    { signal },
  );
  canvas.addEventListener("wheel", (event) => turnWheel(model, canvas, event), { signal, passive: false });
  return () => abort.abort();
}

function pinch(
  model: Model,
  canvas: HTMLCanvasElement,
  touches: ReadonlyMap<number, { x: number; y: number }>,
  moving: number,
  now: { x: number; y: number },
): void {
  const before = touches.get(moving)!;
  const other = [...touches].find(([id]) => id !== moving)![1];
  const { left, width } = canvas.getBoundingClientRect();
  const wide = Math.max(12, Math.abs(now.x - other.x));
  const wasWide = Math.max(12, Math.abs(before.x - other.x));
  model.zoom(wasWide / wide, ((now.x + other.x) / 2 - left) / width);
  model.pan(((before.x - now.x) / 2 / width) * (touches.size === 2 ? 1 : 0));
}

/** Up and down scrolls, sideways pans, with Ctrl or Command (as a pinch on a touchpad comes) it zooms. */
export function turnWheel(model: Model, area: HTMLElement, event: WheelEvent): void {
  const factor = event.deltaMode === 1 ? ROW_PX : event.deltaMode === 2 ? model.height.value : 1;
  const across = (event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX) * factor;
  const down = (event.shiftKey && !event.deltaX ? 0 : event.deltaY) * factor;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    const { left, width } = area.getBoundingClientRect();
    const speed = Math.abs(down) < 40 ? 4 : 1;
    const at = Math.max(0, Math.min(1, (event.clientX - left) / width));
    model.zoom(Math.exp(Math.max(-200, Math.min(200, down)) * ZOOM_A_PIXEL * speed), at);
    return;
  }
  const most = model.totals.value.rows - model.seenRows() + 1;
  const isAtEnd = down > 0 ? model.scroll.value >= most : model.scroll.value <= 0;
  // At its end the page itself scrolls on, as it does with any list.
  if (across || !isAtEnd) event.preventDefault();
  if (across) model.pan(across / model.width);
  if (down) model.scrollTo(model.scroll.value + down / ROW_PX);
}
