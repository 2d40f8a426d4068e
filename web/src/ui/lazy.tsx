// Views that are loaded when they are first shown.

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";

/**
 * A component whose code comes later; says so while it does, and where it does not come. A quiet one, which only adds to
 * what is there, keeps silent till then.
 */
export function lazy<P extends object>(
  load: () => Promise<ComponentType<P>>,
  isQuiet = false,
): ComponentType<P> {
  const loaded = signal<{ Component: ComponentType<P> } | null>(null);
  const failed = signal(false);
  let isAsked = false;
  const begin = () => {
    isAsked = true;
    failed.value = false;
    load().then(
      (Component) => (loaded.value = { Component }),
      () => ((failed.value = true), (isAsked = false)),
    );
  };
  return function Lazy(props: P) {
    if (loaded.value) {
      const { Component } = loaded.value;
      return <Component {...props} />;
    }
    if (!isAsked && !failed.value) begin();
    if (isQuiet) return null;
    if (failed.value)
      return (
        <div class="problem" role="alert">
          <p>This part of the page could not be loaded: the server does not answer.</p>
          <button onClick={begin}>Try again</button>
        </div>
      );
    return (
      <p class="quiet" aria-busy="true">
        Loading …
      </p>
    );
  };
}
