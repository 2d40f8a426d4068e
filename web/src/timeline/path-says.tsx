/** What is on the critical path, in a line. Loaded when that is first asked for. */

import { durationWords } from "../ui/time.ts";
import type { Model } from "./model.ts";

export function PathSays({ model }: { readonly model: Model }) {
  const names = model.totals.value.pathNames;
  if (!names.length) return null;
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
