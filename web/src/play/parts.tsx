// What a play was given, gave, printed, left and was allowed: a line of it, and all of it when asked for.

import { useSignal } from "@preact/signals";
import type { PlayFacts } from "../rpc/documents.ts";
import { Copy } from "../ui/copy.tsx";

const PREVIEW = 160;
const MOST_SHOWN = 200_000;

interface Part {
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
        {shown && (
          <section class="part-text" aria-label={shown.name}>
            <Copy text={shown.text} what={shown.name.toLowerCase()} label="Copy" />
            <pre tabIndex={0}>{shown.text.slice(0, MOST_SHOWN)}</pre>
            {shown.text.length > MOST_SHOWN && (
              <p class="quiet">
                The first {MOST_SHOWN.toLocaleString("en-US")} characters of{" "}
                {shown.text.length.toLocaleString("en-US")} are shown; all of them are copied.
              </p>
            )}
          </section>
        )}
      </div>
    </>
  );
}

/** What there is to be shown, in its order: what is empty is left out, but for input and output. */
export function partsOf(facts: PlayFacts): Part[] {
  const parts: Part[] = [part("Input", pretty(facts.input), flat(facts.input))];
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

function part(name: string, text: string, preview = text): Part {
  const line = preview.trim().split("\n", 1)[0]!;
  return { name, text, preview: line.length > PREVIEW ? `${line.slice(0, PREVIEW)}…` : line };
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}

function flat(value: unknown): string {
  return JSON.stringify(value) ?? "";
}
