/** All of the play in one strip: how busy it was, where something failed, and a window over what is seen below. */

import { useEffect, useRef } from "preact/hooks";
import type { Density } from "./detail.ts";
import { type Palette, readPalette } from "./draw.ts";
import type { Model, Range } from "./model.ts";

const PARTS = 600;
const GRIP_PX = 6;
const PAUSE_MS = 250;
const GROWS_MS = 100;
/** What takes longer says that it is still to come. */
const WAIT_MS = 100;

export function Minimap({ model }: { readonly model: Model }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const strip = new Strip(model, canvas.current!);
    return () => strip.close();
  }, [model]);
  return (
    <canvas
      class="tl-minimap"
      ref={canvas}
      role="img"
      aria-label="Overview of the play. Drag to choose the time that is shown; W, A, S and D zoom and pan."
    />
  );
}

class Strip {
  #density: Density | null = null;
  #askedVersion = -1;
  #askedMs = 0;
  readonly #begunMs = performance.now();
  #timer = 0;
  #width = 1;
  #height = 1;
  #ratio = 1;
  #paintedMs = 0;
  #paintedZoom: Range | null = null;
  #paintedDensity: Density | null = null;
  #palette: Palette;
  #drag: {
    readonly kind: "new" | "move" | "left" | "right";
    readonly atMs: number;
    readonly offsetMs: number;
  } | null = null;
  readonly #abort = new AbortController();
  readonly #stop: (() => void)[];

  constructor(
    private readonly model: Model,
    private readonly canvas: HTMLCanvasElement,
  ) {
    this.#palette = readPalette(canvas);
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(canvas);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const turn = (): void => {
      this.#palette = readPalette(canvas);
      this.#paint();
    };
    dark.addEventListener("change", turn, { signal: this.#abort.signal });
    const theme = new MutationObserver(turn);
    theme.observe(document.documentElement, { attributes: true });
    this.#stop = [
      model.onFrame(() => this.#frame()),
      () => sizes.disconnect(),
      () => theme.disconnect(),
      () => this.#abort.abort(),
      () => clearTimeout(this.#timer),
    ];
    this.#listen();
    this.#resize();
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      void this.#look();
      if (!this.#density) this.#paint();
    }, WAIT_MS);
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  #listen(): void {
    const { canvas, model } = this;
    const { signal } = this.#abort;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.#move(event), { signal });
    const end = (): void => void (this.#drag = null);
    canvas.addEventListener("pointerup", end, { signal });
    canvas.addEventListener("pointercancel", end, { signal });
    canvas.addEventListener("dblclick", () => ((model.zoomed.value = null), model.redraw()), { signal });
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const factor = Math.exp(Math.max(-200, Math.min(200, event.deltaY)) * 0.0025);
        const { fromMs, toMs } = model.range();
        model.zoom(factor, Math.max(0, Math.min(1, (this.#msAt(event) - fromMs) / (toMs - fromMs))));
      },
      { signal, passive: false },
    );
  }

  #begin(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.#msAt(event);
    const { fromMs, toMs } = this.model.range();
    const grip =
      ((this.model.extent().toMs - this.model.extent().fromMs) * GRIP_PX) / this.canvas.clientWidth;
    const isZoomed = this.model.zoomed.value !== null;
    if (isZoomed && Math.abs(at - fromMs) < grip) this.#drag = { kind: "left", atMs: toMs, offsetMs: 0 };
    else if (isZoomed && Math.abs(at - toMs) < grip)
      this.#drag = { kind: "right", atMs: fromMs, offsetMs: 0 };
    else if (isZoomed && at > fromMs && at < toMs)
      this.#drag = { kind: "move", atMs: at, offsetMs: at - fromMs };
    else this.#drag = { kind: "new", atMs: at, offsetMs: 0 };
  }

  #move(event: PointerEvent): void {
    const { model } = this;
    const drag = this.#drag;
    this.canvas.style.cursor = drag ? "" : this.#cursorAt(event);
    if (!drag) return;
    const at = this.#msAt(event);
    if (drag.kind === "move") {
      const { fromMs, toMs } = model.range();
      model.show(at - drag.offsetMs, at - drag.offsetMs + toMs - fromMs);
    } else {
      model.show(Math.min(at, drag.atMs), Math.max(at, drag.atMs));
    }
  }

  #cursorAt(event: PointerEvent): string {
    const zoomed = this.model.zoomed.value;
    if (!zoomed) return "";
    const at = this.#msAt(event);
    const grip =
      ((this.model.extent().toMs - this.model.extent().fromMs) * GRIP_PX) / this.canvas.clientWidth;
    if (Math.abs(at - zoomed.fromMs) < grip || Math.abs(at - zoomed.toMs) < grip) return "ew-resize";
    return at > zoomed.fromMs && at < zoomed.toMs ? "grab" : "";
  }

  #msAt(event: MouseEvent): number {
    const { left, width } = this.canvas.getBoundingClientRect();
    const { fromMs, toMs } = this.model.extent();
    return fromMs + Math.max(0, Math.min(1, (event.clientX - left) / width)) * (toMs - fromMs);
  }

  /** The first time at once: it is drawn with the first rows. Then not more often than is seen. */
  async #look(): Promise<void> {
    const { model } = this;
    const { version, count } = model.totals.value;
    if (!count || version === this.#askedVersion) return;
    const restMs = this.#density ? PAUSE_MS - (performance.now() - this.#askedMs) : 0;
    if (restMs > 0) {
      this.#timer ||= window.setTimeout(() => ((this.#timer = 0), void this.#look()), restMs);
      return;
    }
    this.#askedVersion = version;
    this.#askedMs = performance.now();
    const { fromMs, toMs } = model.extent();
    this.#density = await model.ask<"density">({ kind: "density", fromMs, toMs, parts: PARTS });
    this.#paint();
  }

  /** What is shown of it moves with every frame; the strip itself grows by less than a pixel in most of them. */
  #frame(): void {
    void this.#look();
    const isSame = this.model.zoomed.value === this.#paintedZoom && this.#density === this.#paintedDensity;
    if (!isSame || performance.now() - this.#paintedMs >= GROWS_MS) this.#paint();
  }

  #resize(): void {
    const { canvas } = this;
    this.#ratio = Math.min(3, devicePixelRatio || 1);
    [this.#width, this.#height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.max(1, Math.round(this.#width * this.#ratio));
    canvas.height = Math.max(1, Math.round(this.#height * this.#ratio));
    this.#paint();
  }

  #paint(): void {
    this.#paintedMs = performance.now();
    this.#paintedZoom = this.model.zoomed.value;
    this.#paintedDensity = this.#density;
    const { canvas, model } = this;
    const palette = this.#palette;
    const density = this.#density;
    const width = this.#width;
    const height = this.#height;
    const ratio = this.#ratio;
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.surface;
    context.fillRect(0, 0, width, height);
    const extent = model.extent();
    const xOf = (ms: number): number => ((ms - extent.fromMs) / (extent.toMs - extent.fromMs)) * width;
    if (density) drawDensity(context, density, palette, xOf, height);
    else if (performance.now() - this.#begunMs >= WAIT_MS && !model.totals.value.isLoaded) {
      context.font = "12px system-ui, sans-serif";
      context.textBaseline = "middle";
      context.fillStyle = palette.quiet;
      context.fillText("drawing …", 10, height / 2);
    }
    const zoomed = model.zoomed.value;
    if (zoomed) drawWindow(context, palette, xOf(zoomed.fromMs), xOf(zoomed.toMs), width, height);
  }
}

function drawDensity(
  context: CanvasRenderingContext2D,
  density: Density,
  palette: Palette,
  xOf: (ms: number) => number,
  height: number,
): void {
  const parts = density.open.length;
  const most = density.open.reduce((peak, open) => Math.max(peak, open), 1);
  const partMs = (density.toMs - density.fromMs) / parts;
  context.fillStyle = palette.bars[1]!;
  context.globalAlpha = 0.55;
  const wide = Math.max(1, xOf(density.fromMs + partMs) - xOf(density.fromMs) + 0.5);
  for (let part = 0; part < parts; part++) {
    // By the root: one span among thousands is still seen.
    const tall = Math.sqrt(density.open[part]! / most) * (height - 8);
    context.fillRect(xOf(density.fromMs + part * partMs), height - tall - 2, wide, tall);
  }
  context.globalAlpha = 1;
  context.fillStyle = palette.bars[4]!;
  for (let part = 0; part < parts; part++) {
    if (density.failed[part])
      context.fillRect(xOf(density.fromMs + (part + 0.5) * partMs) - 1, 0, 2.5, height);
  }
}

function drawWindow(
  context: CanvasRenderingContext2D,
  palette: Palette,
  from: number,
  to: number,
  width: number,
  height: number,
): void {
  context.fillStyle = palette.surface;
  context.globalAlpha = 0.72;
  context.fillRect(0, 0, from, height);
  context.fillRect(to, 0, width - to, height);
  context.globalAlpha = 1;
  context.strokeStyle = palette.text;
  context.lineWidth = 1;
  context.strokeRect(from + 0.5, 0.5, Math.max(2, to - from - 1), height - 1);
  context.fillStyle = palette.text;
  for (const x of [from, to]) {
    context.beginPath();
    context.roundRect(x - 2.5, height / 2 - 9, 5, 18, 2.5);
    context.fill();
  }
}
