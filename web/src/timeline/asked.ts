/** What a view has of the worker: asked when it is shown, and again, a while later, whenever spans have come. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Model } from "./model.ts";

const PAUSE_MS = 1000;

/** null until there is an answer; `rows` says how many things of it are drawn. */
export function useAsked<T>(
  model: Model,
  ask: () => Promise<T>,
  rows: (found: T) => number,
): Signal<T | null> {
  const found = useSignal<T | null>(null);
  const { version, count, isLoaded } = model.totals.value;
  useEffect(() => {
    if (!count && !isLoaded) return;
    let isOver = false;
    const look = (): void =>
      void ask().then((answer) => {
        if (isOver) return;
        found.value = answer;
        model.painted(rows(answer));
      });
    const known = found.peek();
    const isWaiting = known !== null && rows(known) > 0 && (!isLoaded || model.isRunning);
    const timer = setTimeout(look, isWaiting ? PAUSE_MS : 0);
    return () => ((isOver = true), clearTimeout(timer));
  }, [version]);
  return found;
}
