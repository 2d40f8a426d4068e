/** The logs of a span, as they come, with a box to look in them. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { clockWords, exactWords } from "../ui/time.ts";
import { counted, number } from "./format.ts";

/** So many lines are elements at a time: the last ones that fit. */
const MOST_SHOWN = 500;
const SEARCH_FROM = 5;

export interface LogLine {
  /** NaN where a line has no time of its own. */
  readonly ms: number;
  readonly text: string;
}

/** Each log begins with `[ts_ms] `; lines without that belong to the log before. */
export function readLogs(logs: string): LogLine[] {
  const found: LogLine[] = [];
  for (const line of logs.split("\n")) {
    const [, ms, text] = /^\[(-?\d+)\] (.*)$/s.exec(line) ?? [];
    const last = found[found.length - 1];
    if (ms !== undefined) found.push({ ms: Number(ms), text: text! });
    else if (last) found[found.length - 1] = { ms: last.ms, text: `${last.text}\n${line}` };
    else found.push({ ms: NaN, text: line });
  }
  return found;
}

export function Logs({ logs }: { readonly logs: string }) {
  const text = useSignal("");
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  const all = readLogs(logs);
  const wanted = text.value.toLowerCase();
  const found = wanted ? all.filter((line) => line.text.toLowerCase().includes(wanted)) : all;
  const shown = found.slice(-MOST_SHOWN);
  useEffect(() => {
    // What comes is followed, unless a person has scrolled away from the end.
    if (isAtEnd.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [logs]);
  return (
    <section>
      <h3>
        Logs{" "}
        <span class="quiet">
          {shown.length < all.length
            ? `${number(shown.length)} of ${number(all.length)}`
            : counted(all.length, "line")}
        </span>
      </h3>
      {all.length >= SEARCH_FROM && (
        <input
          type="search"
          class="tl-log-find"
          placeholder="Find in the logs"
          aria-label="Find in the logs"
          value={text.value}
          onInput={(event) => (text.value = event.currentTarget.value)}
        />
      )}
      <ol
        class="tl-logs"
        ref={list}
        tabIndex={0}
        aria-label="Log lines"
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
          isAtEnd.current = scrollTop + clientHeight > scrollHeight - 8;
        }}
      >
        {shown.map((line, at) => (
          <li key={at} class={levelOf(line.text)}>
            <time title={exactWords(line.ms)}>{clockWords(line.ms)}</time>
            <span>{line.text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function levelOf(text: string): string {
  const [, word] = /^(ERROR|CRITICAL|WARNING|WARN) /.exec(text) ?? [];
  return word ? (word.startsWith("WARN") ? "warning" : "error") : "";
}
