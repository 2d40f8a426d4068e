// The title of the window says what is shown.

import { useEffect } from "preact/hooks";

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · hero-logic` : "hero-logic";
  }, [title]);
}
