// What the keys do, from the keys that there are. Loaded when it is asked for.

import { useEffect, useRef } from "preact/hooks";
import { EVERYWHERE, sections } from "./keys.ts";

const NAMES: Record<string, string> = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc",
  " ": "Space",
};

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = () => {
    dialog.current?.close();
    onClose();
  };
  // What is shown comes first, whichever was there first.
  const inOrder = [...sections.value].sort(
    (one, other) => Number(one.title === EVERYWHERE) - Number(other.title === EVERYWHERE),
  );
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
      {inOrder.map((section) => (
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
