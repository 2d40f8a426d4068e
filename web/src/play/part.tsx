// All of what a play was given, gave or printed.

import { number } from "../timeline/format.ts";
import { Copy } from "../ui/copy.tsx";

const MOST_SHOWN = 200_000;

export function Part({ name, text }: { name: string; text: string }) {
  return (
    <section class="part-text" aria-label={name}>
      <Copy text={text} what={name.toLowerCase()} label="Copy" />
      <pre tabIndex={0}>{text.slice(0, MOST_SHOWN)}</pre>
      {text.length > MOST_SHOWN && (
        <p class="quiet">
          The first {number(MOST_SHOWN)} characters of {number(text.length)} are shown; all of them are
          copied.
        </p>
      )}
    </section>
  );
}
