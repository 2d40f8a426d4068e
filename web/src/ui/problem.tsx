// Something did not work: what, why, and what to do next.

import { CallError } from "../rpc/client.ts";
import { Said } from "./said.tsx";

/** With a capital, where it begins with a word and not with a name of something. */
export function sentence(text: string): string {
  return /^[a-z]+ /.test(text) ? text[0]!.toUpperCase() + text.slice(1) : text;
}

export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  const said = error instanceof Error ? error : new Error(String(error));
  // What is said of something that is not there speaks of calls, to who calls.
  const hint = said instanceof CallError && said.code !== "not_found" ? said.hint : "";
  return (
    <div class="problem" role="alert">
      <p>
        <strong>
          <Said text={sentence(said.message)} />
        </strong>
      </p>
      {hint && (
        <p class="quiet">
          <Said text={hint} />
        </p>
      )}
      {again && (
        <p>
          <button onClick={again}>Try again</button>
        </p>
      )}
    </div>
  );
}
