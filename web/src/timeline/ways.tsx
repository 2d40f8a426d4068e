/** The ways to take a play along, and what became of the last one. Loaded when the menu is opened. */

import { useSignal } from "@preact/signals";
import type { Model } from "./model.ts";
import { copyJson, saveHtml, saveTrace } from "./taking.ts";

export function Ways({ model }: { readonly model: Model }) {
  const said = useSignal("");
  const take = (how: (model: Model) => Promise<string>) => async () => {
    said.value = "one moment …";
    try {
      said.value = await how(model);
    } catch (trouble) {
      said.value = trouble instanceof Error ? trouble.message : String(trouble);
    }
  };
  return (
    <>
      <button onClick={take(copyJson)}>Copy as JSON</button>
      <button onClick={take(saveTrace)}>
        Open in Perfetto <small>saves a Chrome trace, which ui.perfetto.dev opens</small>
      </button>
      <button onClick={take(saveHtml)}>
        Save as a page <small>one HTML file, without the server</small>
      </button>
      <span role="status">{said.value}</span>
    </>
  );
}
