// Whether what is shown is what is.

import { signal } from "@preact/signals";

/** How the stream of the view that is shown stands; "" where it has none. */
export const connection = signal<string>("");

const WORDS: Record<string, [name: string, words: string, says: string]> = {
  connecting: ["", "connecting …", "The stream of changes is being opened."],
  live: ["live", "live", "What happens is shown as it happens."],
  lost: ["lost", "reconnecting …", "The server does not answer. What is missed is told when it does."],
  ended: ["", "ended", "It is over, and nothing more will change."],
  gone: ["lost", "gone", "What is shown is no longer on record."],
  refused: ["lost", "logged out", "The server wants a login."],
};

export function Connection() {
  const known = WORDS[connection.value];
  return (
    <span class={`connection ${known?.[0] ?? ""}`} role="status" title={known?.[2] ?? ""} hidden={!known}>
      {known?.[1]}
    </span>
  );
}
