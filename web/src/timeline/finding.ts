/** Looking for a text: in the columns at once, then in the tags and logs, which the server has. Loaded when first asked. */

import { call } from "../rpc/client.ts";
import type { Model } from "./model.ts";
import { wordsOf } from "./query.ts";

interface FoundSpans {
  readonly ordinals: readonly number[];
  readonly next: number | null;
}

/** Find what the model is asked for, as far as the server has looked by the time that it is called off. */
export async function findIn(model: Model, signal: AbortSignal): Promise<void> {
  const text = model.text.value;
  model.refresh(await model.ask<"find">({ kind: "find", text, others: [] }));
  const words = wordsOf(text);
  if (!words || signal.aborted) return;
  const others: number[] = [];
  model.isFinding.value = true;
  for (let start: number | null = 0; start !== null && !signal.aborted;) {
    const params: object = { play_sid: model.live.sid, text: words, start };
    const found: FoundSpans | null = await call<FoundSpans>("span_find", params, signal).catch(() => null);
    if (!found || signal.aborted) return;
    start = found.next;
    if (!found.ordinals.length) continue;
    for (const ordinal of found.ordinals) others.push(ordinal);
    model.refresh(await model.ask<"find">({ kind: "find", text, others }));
  }
}
