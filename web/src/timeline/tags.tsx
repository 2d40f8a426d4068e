/** The tags of a span as a tree. All of it is text of the play: never more than text here. */

import { useSignal } from "@preact/signals";

const LONG_CHARS = 400;
const MOST_OF_A_LEVEL = 200;
const OPEN_LEVELS = 2;

export function TagTree({ tags }: { readonly tags: Readonly<Record<string, unknown>> }) {
  const names = Object.keys(tags);
  if (!names.length) return null;
  return (
    <section>
      <h3>Tags</h3>
      <Level value={tags} depth={1} />
    </section>
  );
}

function Level({ value, depth }: { readonly value: object; readonly depth: number }) {
  const isAll = useSignal(false);
  const entries = Object.entries(value);
  const shown = isAll.value ? entries : entries.slice(0, MOST_OF_A_LEVEL);
  return (
    <ul class="tl-tags">
      {shown.map(([name, inner]) => (
        <li key={name}>
          <Tag name={name} value={inner} depth={depth} />
        </li>
      ))}
      {shown.length < entries.length && (
        <li>
          <button onClick={() => (isAll.value = true)}>show {entries.length - shown.length} more</button>
        </li>
      )}
    </ul>
  );
}

function Tag({
  name,
  value,
  depth,
}: {
  readonly name: string;
  readonly value: unknown;
  readonly depth: number;
}) {
  const isOpen = useSignal(depth < OPEN_LEVELS);
  if (typeof value !== "object" || value === null || !Object.keys(value).length) {
    return (
      <>
        <span class="name">{name}</span> <Value value={value} />
      </>
    );
  }
  const size = Object.keys(value).length;
  return (
    <>
      <button
        class="plain tl-fold"
        aria-expanded={isOpen.value}
        onClick={() => (isOpen.value = !isOpen.value)}
      >
        <span class={`tl-twist ${isOpen.value ? "open" : ""}`} aria-hidden="true" />
        <span class="name">{name}</span>{" "}
        <span class="quiet">{Array.isArray(value) ? `[${size}]` : `{${size}}`}</span>
      </button>
      {isOpen.value && <Level value={value} depth={depth + 1} />}
    </>
  );
}

function Value({ value }: { readonly value: unknown }) {
  const isAll = useSignal(false);
  if (typeof value !== "string")
    return <code class={`value ${typeof value}`}>{JSON.stringify(value) ?? ""}</code>;
  const isLong = value.length > LONG_CHARS && !isAll.value;
  return (
    <>
      <code class="value string">{isLong ? value.slice(0, LONG_CHARS) : value || '""'}</code>
      {isLong && (
        <button class="plain" onClick={() => (isAll.value = true)}>
          … all {value.length} characters
        </button>
      )}
    </>
  );
}
