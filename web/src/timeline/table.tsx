/** What the spans of each name took, as a table. Loaded when it is first shown. */

import { useSignal } from "@preact/signals";
import { durationWords } from "../ui/time.ts";
import { useAsked } from "./asked.ts";
import { counted, number } from "./format.ts";
import type { Model } from "./model.ts";
import type { NameRow } from "./names.ts";

const MOST_SHOWN = 500;

type Column = Exclude<keyof NameRow, "name" | "running"> | "name";
const COLUMNS: readonly (readonly [Column, string, string])[] = [
  ["name", "Name", ""],
  ["count", "Count", "how many spans"],
  ["failed", "Failed", "those that did not end ok"],
  ["totalMs", "Total", "together, of those that ended"],
  ["selfMs", "Self", "without the time in which a child was open"],
  ["p50Ms", "p50", "half of them took no longer"],
  ["p95Ms", "p95", "95 of 100 took no longer"],
  ["maxMs", "Longest", ""],
];

export function NamesView({ model }: { readonly model: Model }) {
  const rows = useAsked<readonly NameRow[]>(
    model,
    () => model.ask<"names">({ kind: "names", nowMs: model.nowMs() }),
    (found) => found.length,
  );
  const by = useSignal<Column>("selfMs");
  const isUp = useSignal(false);
  if (!rows.value) return <p class="quiet tl-waits">Counting …</p>;
  const wanted = model.text.value.trim().toLowerCase();
  const found = rows.value.filter((row) => row.name.toLowerCase().includes(wanted));
  const sorted = [...found].sort(
    (one, other) => order(one[by.value], other[by.value]) * (isUp.value ? 1 : -1),
  );
  const shown = sorted.slice(0, MOST_SHOWN);
  const most = found.reduce((peak, row) => Math.max(peak, row.selfMs), 1e-9);
  const choose = (column: Column): void => {
    isUp.value = by.value === column ? !isUp.value : column === "name";
    by.value = column;
  };
  return (
    <div class="tl-table" tabIndex={0} role="region" aria-label="Spans by name">
      <table>
        <caption>
          {shown.length < rows.value.length
            ? `${number(shown.length)} of ${counted(rows.value.length, "name")}`
            : counted(rows.value.length, "name")}
        </caption>
        <thead>
          <tr>
            {COLUMNS.map(([column, word, says]) => (
              <th
                key={column}
                scope="col"
                aria-sort={by.value === column ? (isUp.value ? "ascending" : "descending") : "none"}
              >
                <button class="plain" title={says} onClick={() => choose(column)}>
                  {word}
                  <span aria-hidden="true">{by.value === column ? (isUp.value ? " ↑" : " ↓") : ""}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={row.name}>
              <th scope="row">
                <button
                  class="plain"
                  title="Find these spans in the timeline"
                  onClick={() => {
                    model.find(row.name);
                    model.mode.value = "tree";
                  }}
                >
                  {row.name || <i>no name</i>}
                </button>
              </th>
              <td>
                {number(row.count)}
                {row.running > 0 && <span class="quiet"> ({number(row.running)} running)</span>}
              </td>
              <td class={row.failed ? "failed" : ""}>{row.failed ? number(row.failed) : "–"}</td>
              <td>{durationWords(row.totalMs)}</td>
              <td class="self">
                <span class="share" style={{ width: `${(100 * row.selfMs) / most}%` }} aria-hidden="true" />
                {durationWords(row.selfMs)}
              </td>
              <td>{durationWords(row.p50Ms) || "–"}</td>
              <td>{durationWords(row.p95Ms) || "–"}</td>
              <td>{durationWords(row.maxMs) || "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function order(one: string | number, other: string | number): number {
  if (typeof one === "string" || typeof other === "string") return String(one).localeCompare(String(other));
  return (Number.isNaN(one) ? -1 : one) - (Number.isNaN(other) ? -1 : other);
}
