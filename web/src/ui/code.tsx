// Source, shown by an editor that is loaded when there is some to show. Until then, and where it cannot be loaded, it is
// plain text. The editor lives in a shadow tree: there its styles are adopted sheets, which the policy of the page
// allows, where a style element would be refused.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import "./code.css";

export interface CodeProps {
  text: string;
  /** Shown beside it: what the text was before. */
  before?: string | undefined;
  /** A line that is marked and scrolled to; 0 for none. */
  line?: number;
  language?: "python" | "json";
  label: string;
}

export function Code({ text, before, line = 0, language = "python", label }: CodeProps) {
  const host = useRef<HTMLDivElement>(null);
  const isShown = useSignal(false);
  useEffect(() => {
    let isWanted = true;
    let remove = () => {};
    import("./editor.ts").then(
      (editor) => {
        if (!isWanted || !host.current) return;
        const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
        remove = editor.show(root, { text, before, line, language, label });
        isShown.value = true;
      },
      () => undefined, // it stays plain text
    );
    return () => {
      isWanted = false;
      remove();
    };
  }, [text, before, line, language, label]);
  return (
    <div class="code">
      <div class="cm-host" ref={host} hidden={!isShown.value} />
      {!isShown.value && (
        <pre class="code-plain" tabIndex={0} aria-label={label} role="region">
          {text}
        </pre>
      )}
    </div>
  );
}
