/** Drawing the waterfall: a pure function of what is seen. Its cost is that of the rows on the screen. */

import { durationWords } from "../ui/time.ts";
import { ticks } from "./format.ts";
import type { RowView } from "./messages.ts";
import { type Range, ROW_PX } from "./model.ts";

export const AXIS_PX = 26;
const BAR_INSET_PX = 6;
const LEAST_BAR_PX = 2;
const TICK_PX = 96;

/** Colours, as the style sheet has them; read again when the system turns dark or light. */
export interface Palette {
  readonly text: string;
  readonly quiet: string;
  readonly line: string;
  readonly stripe: string;
  readonly chosen: string;
  readonly hover: string;
  readonly path: string;
  readonly match: string;
  readonly log: string;
  readonly surface: string;
  /** By status: running, ok, cancelled, timed out, failed. */
  readonly bars: readonly string[];
  readonly soft: readonly string[];
}

const STATUS_WORDS = ["running", "ok", "cancelled", "timed-out", "failed"];

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(`--tl-${name}`).trim();
  return {
    text: colour("text"),
    quiet: colour("quiet"),
    line: colour("line"),
    stripe: colour("stripe"),
    chosen: colour("chosen"),
    hover: colour("hover"),
    path: colour("path"),
    match: colour("match"),
    log: colour("log"),
    surface: colour("surface"),
    bars: STATUS_WORDS.map((word) => colour(word)),
    soft: STATUS_WORDS.map((word) => colour(`${word}-soft`)),
  };
}

export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly ratio: number;
  readonly rows: readonly RowView[];
  readonly first: number;
  readonly scroll: number;
  readonly range: Range;
  readonly extentFromMs: number;
  readonly nowMs: number;
  readonly selected: string;
  readonly hovered: string;
  readonly isPathOn: boolean;
  readonly isFinding: boolean;
  readonly isStill: boolean;
  /** By ordinal: when its logs came, where that is known. */
  readonly logs: ReadonlyMap<number, readonly number[]>;
}

export function drawScene(context: CanvasRenderingContext2D, scene: Scene, palette: Palette): void {
  const { width, height, ratio } = scene;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = palette.surface;
  context.fillRect(0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  const xOf = scaleOf(scene);
  const pen: Pen = { context, scene, palette, xOf };
  const axis = ticks(
    scene.range.fromMs - scene.extentFromMs,
    scene.range.toMs - scene.extentFromMs,
    width / TICK_PX,
  );
  context.save();
  context.beginPath();
  context.rect(0, AXIS_PX, width, height - AXIS_PX);
  context.clip();
  drawGround(pen);
  context.fillStyle = palette.line;
  for (const tick of axis.at)
    context.fillRect(Math.round(xOf(tick + scene.extentFromMs)), AXIS_PX, 1, height);
  for (let at = 0; at < scene.rows.length; at++) {
    const top = AXIS_PX + (scene.first + at - scene.scroll) * ROW_PX;
    if (top > height || top + ROW_PX < AXIS_PX) continue;
    drawRow(pen, scene.rows[at]!, top);
  }
  drawNow(pen);
  context.restore();
  drawAxis(pen, axis);
}

type Scale = (ms: number) => number;

/** What every part is drawn with. */
interface Pen {
  readonly context: CanvasRenderingContext2D;
  readonly scene: Scene;
  readonly palette: Palette;
  readonly xOf: Scale;
}

function scaleOf({ range, width }: Scene): Scale {
  const factor = width / (range.toMs - range.fromMs);
  return (ms) => (ms - range.fromMs) * factor;
}

function drawGround(pen: Pen): void {
  const { context, scene, palette } = pen;
  for (let at = 0; at < scene.rows.length; at++) {
    const row = scene.rows[at]!;
    const top = AXIS_PX + (scene.first + at - scene.scroll) * ROW_PX;
    const isChosen = row.key === scene.selected;
    if (!isChosen && row.key !== scene.hovered && (scene.first + at) % 2 === 0) continue;
    context.fillStyle = isChosen
      ? palette.chosen
      : row.key === scene.hovered
        ? palette.hover
        : palette.stripe;
    context.fillRect(0, top, scene.width, ROW_PX);
  }
}

function drawRow(pen: Pen, row: RowView, top: number): void {
  const { context, scene } = pen;
  const y = top + BAR_INSET_PX;
  const barHeight = ROW_PX - 2 * BAR_INSET_PX;
  const isDim = scene.isFinding && !row.isMatch;
  context.globalAlpha = isDim ? 0.35 : 1;
  if (row.bars) drawBars(pen, row, y, barHeight);
  if (row.row >= 0) drawBar(pen, row, y, barHeight);
  else if (row.group)
    drawBeside(pen, durationWords(row.group.totalMs), lastOf(row.bars, pen.xOf), y + barHeight / 2);
  if (scene.isPathOn) drawPath(pen, row, y + barHeight);
  context.globalAlpha = 1;
}

function lastOf(bars: Float64Array | null, xOf: Scale): number {
  return bars?.length ? xOf(bars[bars.length - 2]!) : -1;
}

function drawBars(pen: Pen, row: RowView, y: number, barHeight: number): void {
  const { context, scene, palette, xOf } = pen;
  const bars = row.bars!;
  // A span's own bar lies above what is folded below it, which then is a thin line at the foot.
  const isThin = row.row >= 0;
  const height = isThin ? 3 : barHeight;
  const at = isThin ? y + barHeight + 1 : y;
  for (let bar = 0; bar < bars.length; bar += 3) {
    const from = Math.max(-4, xOf(bars[bar]!));
    const to = Math.min(scene.width + 4, xOf(bars[bar + 1]!));
    if (to < 0 || from > scene.width) continue;
    context.fillStyle = palette.bars[bars[bar + 2]!]!;
    context.fillRect(from, at, Math.max(1, to - from), height);
  }
}

function drawBar(pen: Pen, row: RowView, y: number, barHeight: number): void {
  const { context, scene, palette, xOf } = pen;
  const isRunning = Number.isNaN(row.endMs);
  const endMs = Math.max(row.startMs, isRunning ? scene.nowMs : row.endMs);
  const x = xOf(row.startMs);
  const end = xOf(endMs);
  const middle = y + barHeight / 2;
  if (end < 0 || x > scene.width) return drawBeyond(pen, row, end < 0, middle);
  const from = Math.max(-8, x);
  const to = Math.min(scene.width + 8, end);
  const wide = Math.max(LEAST_BAR_PX, to - from);
  // What failed because something below it did is paler: the cause is what has to be seen.
  const isPale = row.status > 1 && !row.isOwn;
  context.fillStyle = isPale ? palette.soft[row.status]! : palette.bars[row.status]!;
  context.beginPath();
  context.roundRect(from, y, wide, barHeight, Math.min(3, wide / 2));
  context.fill();
  if (isPale && wide > 4) {
    context.strokeStyle = palette.bars[row.status]!;
    context.lineWidth = 1;
    context.beginPath();
    context.roundRect(from + 0.5, y + 0.5, wide - 1, barHeight - 1, 3);
    context.stroke();
  }
  if (isRunning) drawRunning(pen, from, y, wide, barHeight);
  if (row.status > 1) drawCross(pen, from, wide, middle, row.status, isPale);
  drawLogs(pen, row, y);
  drawLabel(pen, durationWords(endMs - row.startMs), end, x, middle, isPale);
}

/** A bar that is not in sight: where it is. */
function drawBeyond(pen: Pen, row: RowView, isLeft: boolean, middle: number): void {
  const { context, scene, palette } = pen;
  context.fillStyle = palette.bars[row.status]!;
  const x = isLeft ? 4 : scene.width - 4;
  const by = isLeft ? 6 : -6;
  context.beginPath();
  context.moveTo(x, middle);
  context.lineTo(x + by, middle - 4);
  context.lineTo(x + by, middle + 4);
  context.fill();
}

/** Stripes that move: it goes on. Without motion they stand. */
function drawRunning(pen: Pen, from: number, y: number, wide: number, barHeight: number): void {
  const { context, scene, palette } = pen;
  context.save();
  context.beginPath();
  context.rect(from, y, wide, barHeight);
  context.clip();
  context.fillStyle = palette.soft[0]!;
  const offset = scene.isStill ? 0 : (scene.nowMs / 40) % 12;
  for (let x = from - 12 + offset; x < from + wide; x += 12) {
    context.beginPath();
    context.moveTo(x, y + barHeight);
    context.lineTo(x + barHeight * 0.6, y);
    context.lineTo(x + barHeight * 0.6 + 5, y);
    context.lineTo(x + 5, y + barHeight);
    context.fill();
  }
  context.restore();
}

/** A failure is told by a sign too, not by colour alone. */
function drawCross(
  pen: Pen,
  from: number,
  wide: number,
  middle: number,
  status: number,
  isPale: boolean,
): void {
  const { context, palette } = pen;
  const isInside = wide >= 16;
  const x = isInside ? from + 8 : from - 7;
  context.strokeStyle = isInside && !isPale ? palette.surface : palette.bars[status]!;
  context.lineWidth = 1.6;
  context.beginPath();
  context.moveTo(x - 3, middle - 3);
  context.lineTo(x + 3, middle + 3);
  context.moveTo(x + 3, middle - 3);
  context.lineTo(x - 3, middle + 3);
  context.stroke();
}

function drawLogs(pen: Pen, row: RowView, y: number): void {
  const { context, scene, palette, xOf } = pen;
  const times = scene.logs.get(row.row);
  if (!times) return;
  context.fillStyle = palette.log;
  let last = -10;
  for (const ms of times) {
    const x = xOf(ms);
    if (x < -4 || x > scene.width + 4 || x - last < 3) continue;
    last = x;
    context.beginPath();
    context.moveTo(x, y - 1);
    context.lineTo(x + 3.5, y - 5);
    context.lineTo(x - 3.5, y - 5);
    context.fill();
  }
}

/** Behind its end, or else before its start, or else in it. */
function drawLabel(pen: Pen, text: string, end: number, start: number, middle: number, isPale = false): void {
  if (drawBeside(pen, text, end, middle)) return;
  const { context, scene, palette } = pen;
  const wide = context.measureText(text).width;
  if (start - 18 - wide > 0) {
    context.fillStyle = palette.quiet;
    context.fillText(text, start - 18 - wide, middle);
  } else if (Math.min(end, scene.width) - Math.max(0, start) > wide + 24) {
    context.fillStyle = isPale ? palette.text : palette.surface;
    context.fillText(text, Math.min(end, scene.width) - wide - 6, middle);
  }
}

/** Behind an end, where there is room for it: whether there was. */
function drawBeside({ context, scene, palette }: Pen, text: string, end: number, middle: number): boolean {
  if (end + 6 + context.measureText(text).width >= scene.width) return false;
  context.fillStyle = palette.quiet;
  context.fillText(text, Math.max(6, end + 6), middle);
  return true;
}

function drawPath(pen: Pen, row: RowView, y: number): void {
  const { context, scene, palette, xOf } = pen;
  context.fillStyle = palette.path;
  for (let at = 0; at < row.path.length; at += 2) {
    const from = Math.max(-2, xOf(row.path[at]!));
    const to = Math.min(scene.width + 2, xOf(row.path[at + 1]!));
    if (to < 0 || from > scene.width) continue;
    context.fillRect(from, y - 1, Math.max(1.5, to - from), 3.5);
  }
}

function drawNow(pen: Pen): void {
  const { context, scene, palette, xOf } = pen;
  if (!scene.rows.some((row) => row.runningBelow || (Number.isNaN(row.endMs) && row.row >= 0))) return;
  context.fillStyle = palette.bars[0]!;
  context.globalAlpha = 0.5;
  context.fillRect(Math.min(scene.width - 1, Math.round(xOf(scene.nowMs))), AXIS_PX, 1, scene.height);
  context.globalAlpha = 1;
}

function drawAxis(pen: Pen, axis: { readonly stepMs: number; readonly at: readonly number[] }): void {
  const { context, scene, palette, xOf } = pen;
  context.fillStyle = palette.line;
  context.fillRect(0, AXIS_PX - 1, scene.width, 1);
  context.fillStyle = palette.quiet;
  for (const tick of axis.at) {
    const x = xOf(tick + scene.extentFromMs);
    const text = tickText(tick, axis.stepMs);
    const wide = context.measureText(text).width;
    if (x + 4 + wide > scene.width) continue;
    context.fillRect(Math.round(x), AXIS_PX - 6, 1, 6);
    context.fillText(text, x + 4, AXIS_PX / 2);
  }
}

/** As exact as its step: neighbours differ. */
export function tickText(ms: number, stepMs: number): string {
  if (Math.abs(ms) < stepMs / 1000) return "0";
  const [unit, size] =
    Math.abs(ms) >= 1000 || stepMs >= 1000
      ? ["s", 1000]
      : stepMs >= 0.5 || ms >= 1
        ? ["ms", 1]
        : ["µs", 0.001];
  if (unit === "s" && Math.abs(ms) >= 600_000) return durationWords(ms).replace(/ 00 (s|min|h)$/, "");
  const places = Math.max(0, Math.ceil(-Math.log10((stepMs / (size as number)) * 1.0001)));
  return `${(ms / (size as number)).toFixed(Math.min(6, places))} ${unit}`;
}
