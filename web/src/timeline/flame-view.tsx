/** The flame view: spans of the same way of names as one box, as wide as the time they took. Loaded when first shown. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { durationWords } from "../ui/time.ts";
import { useAsked } from "./asked.ts";
import { type Palette, readPalette } from "./draw.ts";
import { boxesIn, type Flame } from "./flame.ts";
import { counted, number } from "./format.ts";
import type { FlameAnswer } from "./messages.ts";
import type { Model } from "./model.ts";
import { NONE } from "./spans.ts";

const ROW = 22;
const MOST_LISTED = 200;

export function FlameView({ model }: { readonly model: Model }) {
  const found = useAsked(
    model,
    () => model.ask<"flame">({ kind: "flame", nowMs: model.nowMs() }),
    ({ flame }) => flame.names.length,
  );
  const top = useSignal(NONE);
  const pointed = useSignal(NONE);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element || !found.value) return;
    const paint = (): void => {
      if (found.value) draw(element, found.value, top.value, pointed.value, model.text.value);
    };
    const sizes = new ResizeObserver(paint);
    sizes.observe(element);
    paint();
    return () => sizes.disconnect();
  }, [found.value, top.value, pointed.value, model.text.value]);
  const answer = found.value;
  if (!answer) return <p class="quiet tl-waits">Stacking …</p>;
  const { flame, names } = answer;
  const box = top.value < flame.names.length ? top.value : NONE;
  const at = pointed.value >= 0 && pointed.value < flame.names.length ? pointed.value : box;
  const pick = (event: MouseEvent): number => boxAt(event, canvas.current!, flame, box);
  return (
    <div class="tl-flame">
      <p class="tl-flame-says">
        {box !== NONE && <button onClick={() => (top.value = NONE)}>Show all</button>}
        {at === NONE ? (
          <span class="quiet">
            Each box is a name below a name, as wide as all its spans took together. Click to look into one.
          </span>
        ) : (
          <span>
            <b>{names[flame.names[at]!]}</b> ×{number(flame.counts[at]!)}, {durationWords(flame.totalMs[at]!)}
            {flame.failed[at]! > 0 && <span class="failed">, {number(flame.failed[at]!)} failed</span>}{" "}
            <button class="plain" onClick={() => show(model, flame.slowest[at]!)}>
              go to the slowest
            </button>
          </span>
        )}
      </p>
      <div class="tl-flame-scroll" tabIndex={0} role="region" aria-label="Flame view">
        <canvas
          ref={canvas}
          aria-hidden="true"
          style={{ height: `${Math.max(1, flame.levelsInAll) * ROW + 4}px` }}
          onMouseMove={(event) => (pointed.value = pick(event))}
          onMouseLeave={() => (pointed.value = NONE)}
          onClick={(event) => {
            const chosen = pick(event);
            if (chosen !== NONE) top.value = chosen === box ? flame.parents[chosen]! : chosen;
          }}
        />
        <FlameList answer={answer} onChoose={(chosen) => (top.value = chosen)} />
      </div>
    </div>
  );
}

function show(model: Model, row: number): void {
  model.mode.value = "tree";
  void model.go({ kind: "go", to: "span", row });
}

/** The same for who does not see the canvas: the widest boxes. */
function FlameList({
  answer,
  onChoose,
}: {
  readonly answer: FlameAnswer;
  readonly onChoose: (box: number) => void;
}) {
  const { flame, names } = answer;
  const boxes = [...flame.names.keys()].sort((one, other) => flame.totalMs[other]! - flame.totalMs[one]!);
  return (
    <details class="tl-flame-list">
      <summary>As a list</summary>
      <ol>
        {boxes.slice(0, MOST_LISTED).map((box) => (
          <li key={box}>
            <button class="plain" onClick={() => onChoose(box)}>
              {names[flame.names[box]!] || "no name"}
            </button>{" "}
            {counted(flame.counts[box]!, "span")}, {durationWords(flame.totalMs[box]!)}, level{" "}
            {flame.levels[box]! + 1}
          </li>
        ))}
      </ol>
    </details>
  );
}

interface Frame {
  readonly leftMs: number;
  readonly factor: number;
  readonly width: number;
}

function frameOf(canvas: HTMLCanvasElement, flame: Flame, top: number): Frame {
  const width = canvas.clientWidth;
  if (top !== NONE)
    return { leftMs: flame.leftMs[top]!, factor: width / Math.max(flame.widthMs[top]!, 1e-9), width };
  let whole = 0;
  for (let box = 0; box < flame.names.length; box++)
    if (flame.parents[box] === NONE) whole += flame.widthMs[box]!;
  return { leftMs: 0, factor: width / Math.max(whole, 1e-9), width };
}

function ancestors(flame: Flame, box: number): number[] {
  const above: number[] = [];
  for (let at = box === NONE ? NONE : flame.parents[box]!; at !== NONE; at = flame.parents[at]!)
    above.push(at);
  return above;
}

function draw(
  canvas: HTMLCanvasElement,
  answer: FlameAnswer,
  top: number,
  pointed: number,
  text: string,
): void {
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) return;
  const palette = readPalette(canvas);
  const ratio = Math.min(3, devicePixelRatio || 1);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.font = "11.5px system-ui, sans-serif";
  context.textBaseline = "middle";
  const { flame, names } = answer;
  const frame = frameOf(canvas, flame, top);
  const wanted = text.trim().toLowerCase();
  const paint = (box: number, x: number, wide: number): void => {
    const name = names[flame.names[box]!]!;
    const isDim = wanted !== "" && !name.toLowerCase().includes(wanted);
    drawBox(context, palette, {
      x,
      wide,
      y: flame.levels[box]! * ROW + 1,
      name,
      isFailed: flame.failed[box]! > 0,
      isDim,
    });
    if (box === pointed) {
      context.strokeStyle = palette.text;
      context.strokeRect(x + 0.5, flame.levels[box]! * ROW + 1.5, Math.max(1, wide - 2), ROW - 3);
    }
  };
  for (const box of ancestors(flame, top)) paint(box, 0, frame.width);
  for (const box of boxesIn(flame, top, frame.width * 2)) {
    paint(box, (flame.leftMs[box]! - frame.leftMs) * frame.factor, flame.widthMs[box]! * frame.factor);
  }
}

interface Box {
  readonly x: number;
  readonly y: number;
  readonly wide: number;
  readonly name: string;
  readonly isFailed: boolean;
  readonly isDim: boolean;
}

function drawBox(context: CanvasRenderingContext2D, palette: Palette, box: Box): void {
  context.globalAlpha = box.isDim ? 0.3 : 1;
  context.fillStyle = palette.soft[1]!;
  context.fillRect(box.x, box.y, Math.max(0.5, box.wide - 1), ROW - 2);
  if (box.isFailed) {
    context.fillStyle = palette.bars[4]!;
    context.fillRect(box.x, box.y + ROW - 5, Math.max(0.5, box.wide - 1), 3);
  }
  if (box.wide > 24) {
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, box.wide - 6, ROW);
    context.clip();
    context.fillStyle = palette.text;
    context.fillText(box.name || "no name", Math.max(2, box.x) + 6, box.y + ROW / 2 - 1);
    context.restore();
  }
  context.globalAlpha = 1;
}

function boxAt(event: MouseEvent, canvas: HTMLCanvasElement, flame: Flame, top: number): number {
  const { left, top: above } = canvas.getBoundingClientRect();
  const level = Math.floor((event.clientY - above) / ROW);
  const frame = frameOf(canvas, flame, top);
  const ms = frame.leftMs + (event.clientX - left) / frame.factor;
  const over = ancestors(flame, top).find((box) => flame.levels[box] === level);
  if (over !== undefined) return over;
  for (const box of boxesIn(flame, top, frame.width * 2)) {
    if (flame.levels[box] !== level) continue;
    if (ms >= flame.leftMs[box]! && ms < flame.leftMs[box]! + flame.widthMs[box]!) return box;
  }
  return NONE;
}
