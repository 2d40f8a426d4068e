// Keys: each view says which it takes and what they do, so that `?` always tells the truth.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface KeyBinding {
  /** As in KeyboardEvent.key: "e", "/", "?", "ArrowDown". */
  key: string;
  /** What it does, in a few words. */
  says: string;
  run: (event: KeyboardEvent) => void;
}

export interface KeySection {
  title: string;
  /** `run` may be left out where an element takes the key itself: it is told of all the same. */
  keys: (Omit<KeyBinding, "run"> & Partial<Pick<KeyBinding, "run">>)[];
}

/** The title of the keys that hold on every view. */
export const EVERYWHERE = "Everywhere";

/** What is shown takes these keys; the last one that came is asked first. */
export const sections = signal<readonly KeySection[]>([]);

/** Take keys while a component is shown. `section` has to stay the same object. */
export function useKeys(section: KeySection): void {
  useEffect(() => {
    sections.value = [...sections.peek(), section];
    return () => {
      sections.value = sections.peek().filter((other) => other !== section);
    };
  }, [section]);
}

/** Listen; called once. */
export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    for (const section of [...sections.peek()].reverse())
      for (const { key, run } of section.keys)
        if (run && key === event.key) {
          event.preventDefault();
          run(event);
          return;
        }
  });
}

/** Whether keys are text where they go. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest(".cm-host")) return true;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
