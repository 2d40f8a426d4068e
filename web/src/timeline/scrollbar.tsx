/** The bar beside the rows: the browser has none for more rows than it can address. */

import { useRef } from "preact/hooks";
import { type Model } from "./model.ts";

const LEAST_THUMB = 0.04;

export function Scrollbar({ model }: { readonly model: Model }) {
  const track = useRef<HTMLDivElement>(null);
  const grabbed = useRef<number | null>(null);
  const { rows } = model.totals.value;
  const seen = model.seenRows();
  const most = Math.max(0, rows - seen + 1);
  // Where all rows are seen they reach to the edge.
  if (rows <= seen) return null;
  const size = Math.max(LEAST_THUMB, seen / rows);
  const at = most ? Math.min(1, model.scroll.value / most) * (1 - size) : 0;
  const move = (event: PointerEvent): void => {
    if (grabbed.current === null) return;
    const { top, height } = track.current!.getBoundingClientRect();
    const place = (event.clientY - top) / height - grabbed.current;
    model.scrollTo((place / (1 - size)) * most);
  };
  return (
    <div
      class="tl-scrollbar"
      ref={track}
      aria-hidden="true"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        const { top, height } = event.currentTarget.getBoundingClientRect();
        const place = (event.clientY - top) / height;
        grabbed.current = place >= at && place <= at + size ? place - at : size / 2;
        move(event);
      }}
      onPointerMove={move}
      onPointerUp={() => void (grabbed.current = null)}
      onPointerCancel={() => void (grabbed.current = null)}
    >
      <div class="tl-thumb" style={{ top: `${at * 100}%`, height: `${size * 100}%` }} />
    </div>
  );
}
