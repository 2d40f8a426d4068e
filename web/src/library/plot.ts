// Bars over the last plays of a flow. Loaded with the first flow that has some.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { agoWords, durationWords } from "../ui/time.ts";
import { columnsOf, KINDS, kindOf, STEPS_MS, type Kind, type Taken } from "./durations.ts";

const HEIGHT_PX = 132;
const AXIS_PX = 70;
const LEAST_TICK_PX = 32;
const MARK_PX = 3;
const FILLS: Record<Kind, string> = {
  ok: "var(--ok-bar)",
  failed: "var(--failed-bar)",
  other: "var(--cancelled-bar)",
};

export interface Plot {
  /** Point at a play, as a hand does; null at none. */
  point: (place: number | null) => void;
  close: () => void;
}

/** Draw them into an element; `onPoint` hears which play a hand is at, `onOpen` which was clicked. */
export function plot(
  host: HTMLElement,
  taken: readonly Taken[],
  onPoint: (place: number | null) => void,
  onOpen: (place: number) => void,
): Plot {
  let drawn = draw(host, taken, onPoint, onOpen);
  const anew = () => {
    drawn.destroy();
    drawn = draw(host, taken, onPoint, onOpen);
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", anew);
  const sizes = new ResizeObserver(() => drawn.setSize({ width: host.clientWidth, height: HEIGHT_PX }));
  sizes.observe(host);
  return {
    point: (place) =>
      drawn.setCursor(
        place === null ? { left: -10, top: -10 } : { left: drawn.valToPos(place, "x"), top: 0 },
        false,
      ),
    close: () => {
      dark.removeEventListener("change", anew);
      sizes.disconnect();
      drawn.destroy();
    },
  };
}

function draw(
  host: HTMLElement,
  taken: readonly Taken[],
  onPoint: (place: number | null) => void,
  onOpen: (place: number) => void,
): uPlot {
  const [quiet, line] = [colour(host, "var(--text-quiet)"), colour(host, "var(--line)")];
  const last = taken.length - 1;
  const bars = uPlot.paths.bars!({ size: [0.7, 26] });
  const font = getComputedStyle(host).font;
  const axis = { stroke: quiet, font, ticks: { show: false } };
  const drawn = new uPlot(
    {
      width: host.clientWidth,
      height: HEIGHT_PX,
      padding: [10, 40, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
      scales: {
        x: { time: false, range: [-0.6, last + 0.6] },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
      },
      axes: [
        {
          ...axis,
          size: 24,
          gap: 4,
          grid: { show: false },
          splits: () => (last > 0 ? [0, last] : [0]),
          values: (_, places) => places.map((place) => agoWords(taken[place]!.endedMs, Date.now())),
        },
        {
          ...axis,
          size: AXIS_PX,
          space: LEAST_TICK_PX,
          incrs: [...STEPS_MS],
          grid: { stroke: line, width: 1 },
          values: (_, ticks) => ticks.map((ms) => (ms ? durationWords(ms) : "0")),
        },
      ],
      series: [
        {},
        ...KINDS.map((kind) => ({
          paths: bars,
          fill: colour(host, FILLS[kind]),
          width: 0,
          points: { show: false },
        })),
      ],
      hooks: {
        draw: [(of) => markFailures(of, taken, colour(host, "var(--failed)"))],
        // It tells of no place whenever it is drawn, too: that a hand has left says the element.
        setCursor: [({ cursor: { left, idx } }) => left! >= 0 && idx != null && onPoint(idx)],
      },
    },
    columnsOf(taken) as uPlot.AlignedData,
    host,
  );
  drawn.over.addEventListener("click", () => {
    const { idx } = drawn.cursor;
    if (idx !== null && idx !== undefined) onOpen(idx);
  });
  drawn.over.addEventListener("mouseleave", () => onPoint(null));
  return drawn;
}

/** A cross over each that failed: nothing depends on a colour. */
function markFailures(of: uPlot, taken: readonly Taken[], stroke: string): void {
  const { ctx } = of;
  const size = MARK_PX * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.6 * devicePixelRatio;
  ctx.beginPath();
  taken.forEach((play, place) => {
    if (kindOf(play) !== "failed") return;
    const x = of.valToPos(place, "x", true);
    const y = of.valToPos(play.durationMs, "y", true) - size - 2 * devicePixelRatio;
    ctx.moveTo(x - size, y - size);
    ctx.lineTo(x + size, y + size);
    ctx.moveTo(x + size, y - size);
    ctx.lineTo(x - size, y + size);
  });
  ctx.stroke();
  ctx.restore();
}

/** A colour as a canvas takes it: of the theme that is on. */
function colour(host: HTMLElement, of: string): string {
  host.style.color = of;
  const { color } = getComputedStyle(host);
  host.style.color = "";
  return color;
}
