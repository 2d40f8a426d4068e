// The help that `?` shows, and the keys that hold everywhere.

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { navigate } from "../router.ts";
import { EVERYWHERE, useKeys, type KeySection } from "./keys.ts";
import { lazy } from "./lazy.tsx";

const isOpen = signal(false);

const HelpDialog = lazy(() => import("./help-dialog.tsx").then((module) => module.HelpDialog));

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
  const everywhere = useMemo<KeySection>(
    () => ({
      title: EVERYWHERE,
      keys: [
        { key: "?", says: "shows this", run: () => (isOpen.value = true) },
        { key: "1", says: "all plays", run: () => navigate("/") },
        { key: "2", says: "the library", run: () => navigate("/library") },
      ],
    }),
    [],
  );
  useKeys(everywhere);
  return isOpen.value ? <HelpDialog onClose={() => (isOpen.value = false)} /> : null;
}
