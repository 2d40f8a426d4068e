// Something did not work: what, why, and what to do next.

import { CallError } from "../rpc/client.ts";
import { Said } from "./said.tsx";

export function Problem({ error, again }: { error: unknown; again?: () => void }) {
  const said = error instanceof Error ? error : new Error(String(error));
  const hint = said instanceof CallError ? said.hint : "";
  return (
    <div class="problem" role="alert">
      <p>
        <strong>
          <Said text={said.message} />
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
