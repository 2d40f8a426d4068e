// What the keys do, from the keys that there are.

import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { sections, useKeys, type KeySection } from "./keys.ts";
import { navigate } from "../router.ts";

const isOpen = signal(false);

const NAMES: Record<string, string> = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc",
  " ": "Space",
};

export function HelpButton() {
  return (
    <button
      class="plain"
      title="What the keys do (?)"
      aria-label="Keyboard help"
      onClick={() => (isOpen.value = true)}
    >
      <kbd>?</kbd>
    </button>
  );
}

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const everywhere = useMemo<KeySection>(
    () => ({
      title: "Everywhere",
      keys: [
        { key: "?", says: "shows this", run: () => (isOpen.value = true) },
        { key: "1", says: "all plays", run: () => navigate("/") },
        { key: "2", says: "the library", run: () => navigate("/library") },
      ],
    }),
    [],
  );
  useKeys(everywhere);
  const shown = isOpen.value;
  useEffect(() => {
    if (shown) dialog.current?.showModal();
  }, [shown]);
  if (!shown) return null;
  const close = () => {
    dialog.current?.close();
    isOpen.value = false;
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby="help-title"
      onClose={close}
      onClick={(event) => event.target === dialog.current && close()}
      onKeyDown={(event) => event.key === "?" && close()}
    >
      <header>
        <h2 id="help-title">Keys</h2>
        <button onClick={close}>Close</button>
      </header>
      {[...sections.value].reverse().map((section) => (
        <section key={section.title}>
          <h3>{section.title}</h3>
          <dl>
            {section.keys.map(({ key, says }) => (
              <>
                <dt>
                  {key.split(" / ").map((part, place) => (
                    <>
                      {place > 0 && " "}
                      <kbd>{NAMES[part] ?? part}</kbd>
                    </>
                  ))}
                </dt>
                <dd>{says}</dd>
              </>
            ))}
          </dl>
        </section>
      ))}
    </dialog>
  );
}
