// Something that is copied by a click on it.

import { useSignal } from "@preact/signals";

const TOLD_MS = 1_500;

export function Copy({ text, what, label }: { text: string; what: string; label?: string }) {
  const told = useSignal("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      told.value = "copied";
    } catch {
      told.value = "not copied: the browser did not allow it";
    }
    setTimeout(() => (told.value = ""), TOLD_MS);
  };
  return (
    <button class="copy" title={`Copy ${what}`} onClick={copy}>
      {label ?? <code>{text}</code>}
      <span class="told" role="status">
        {told.value}
      </span>
    </button>
  );
}
