/** The flow's source around the line of a span, where the library has it. Loaded with the first span that has one. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../rpc/client.ts";

const LINES_AROUND = 6;
const known = new Map<string, Promise<string | null>>();

function sourceOf(flow: string): Promise<string | null> {
  let source = known.get(flow);
  if (!source) {
    source = call<{ source: string }>("flow_get", { flow_sid: flow }).then(
      (found) => found.source,
      () => null,
    );
    known.set(flow, source);
  }
  return source;
}

interface SourceProps {
  readonly file: string;
  readonly line: number;
  readonly flow: string;
}

export function Source({ file, line, flow }: SourceProps) {
  const source = useSignal<string | null>(null);
  useEffect(() => {
    let isOver = false;
    void (flow ? sourceOf(flow) : Promise.resolve(null)).then((found) => {
      if (!isOver) source.value = found;
    });
    return () => void (isOver = true);
  }, [flow]);
  const lines = source.value?.split("\n") ?? [];
  const isThere = line > 0 && line <= lines.length;
  const from = Math.max(0, line - 1 - LINES_AROUND);
  return (
    <section>
      <h3>Source</h3>
      <p class="tl-file">
        {file}
        {line > 0 && `:${line}`}
      </p>
      {isThere && (
        <pre class="tl-source tl-box" tabIndex={0} aria-label={`Source around line ${line}`}>
          {lines.slice(from, line + LINES_AROUND).map((text, at) => (
            <div key={at} class={from + at + 1 === line ? "here" : ""}>
              <span class="line-number">{from + at + 1}</span>
              {text || " "}
            </div>
          ))}
        </pre>
      )}
      {isThere && <p class="quiet">As the library has it now.</p>}
    </section>
  );
}
