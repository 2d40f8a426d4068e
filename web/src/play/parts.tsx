// What a play was given, gave, printed, left and was allowed: a line of it, and all of it when asked for.

import { useSignal } from "@preact/signals";
import type { PlayFacts } from "../rpc/documents.ts";
import { lazy } from "../ui/lazy.tsx";

const Part = lazy(() => import("./part.tsx").then((module) => module.Part));

const PREVIEW = 160;

interface PartFacts {
  name: string;
  preview: string;
  text: string;
}

export function Parts({ facts }: { facts: PlayFacts }) {
  const open = useSignal("");
  const parts = partsOf(facts);
  const shown = parts.find(({ name }) => name === open.value);
  return (
    <>
      <div class="parts" role="group" aria-label="Input, output and more">
        {parts.map(({ name, preview }) => (
          <button
            key={name}
            class="part"
            aria-expanded={open.value === name}
            aria-controls="part"
            onClick={() => (open.value = open.value === name ? "" : name)}
          >
            <b>{name}</b> <code class="cut">{preview}</code>
          </button>
        ))}
      </div>
      <div id="part" hidden={!shown}>
        {shown && <Part {...shown} />}
      </div>
    </>
  );
}

/** What there is to be shown, in its order: what is empty is left out, but for input and output. */
export function partsOf(facts: PlayFacts): PartFacts[] {
  const parts: PartFacts[] = [part("Input", pretty(facts.input), flat(facts.input))];
  if (facts.status === "ok" || facts.output !== null)
    parts.push(part("Output", pretty(facts.output), flat(facts.output)));
  if (facts.stdout) parts.push(part("Printed", facts.stdout));
  if (facts.stderr) parts.push(part("Printed as errors", facts.stderr));
  if (facts.artifacts.length) {
    const lines = facts.artifacts.map(({ path, size_bytes }) => `${path}  ${size_bytes} bytes`);
    parts.push(part("Files", lines.join("\n"), String(lines.length)));
  }
  const access = {
    sandbox: facts.sandbox,
    needs: facts.needs,
    grants: facts.grants,
    counters: facts.counters,
  };
  const granted = Object.keys(facts.grants).join(" ") || "no grants";
  parts.push(part("Kept in", pretty(access), `${facts.sandbox.tier || "–"}, ${granted}`));
  return parts;
}

function part(name: string, text: string, preview = text): PartFacts {
  const line = preview.trim().split("\n", 1)[0]!;
  return { name, text, preview: line.length > PREVIEW ? `${line.slice(0, PREVIEW)}…` : line };
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

function flat(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
