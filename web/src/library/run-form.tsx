// Running a flow: a form for its input, or the input as JSON; then the page follows the new play.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { navigate, playAddress } from "../router.ts";
import { call } from "../rpc/client.ts";
import type { FlowDetails } from "../rpc/documents.ts";
import { Problem } from "../ui/problem.tsx";
import { Said } from "../ui/said.tsx";
import { entryOf, fieldsOf, firstEntry, readForm, readJson, type Entry, type Field } from "./form.ts";

export function RunForm({ flow, input }: { flow: FlowDetails; input: Record<string, unknown> | null }) {
  const fields = useMemo(() => fieldsOf(flow.inputs), [flow]);
  const entries = useSignal<ReadonlyMap<string, Entry>>(
    useMemo(() => entriesOf(fields ?? [], input), [fields, input]),
  );
  const json = useSignal<string | null>(fields === null ? JSON.stringify(input ?? {}, null, 2) : null);
  const told = useSignal<Record<string, string>>({});
  const jsonProblem = useSignal("");
  const problem = useSignal<unknown>(null);
  const isBusy = useSignal(false);

  if (flow.kind !== "python")
    return (
      <>
        <h2>Run</h2>
        <p class="quiet">
          This is a workflow of before. <code>hero-logic migrate</code> makes a flow of it.
        </p>
      </>
    );

  const wanted = (): Record<string, unknown> | null => {
    if (json.value !== null) {
      const read = readJson(json.value, flow.inputs);
      jsonProblem.value = "problem" in read ? read.problem : "";
      return "input" in read ? read.input : null;
    }
    const read = readForm(fields ?? [], entries.value, flow.inputs!);
    told.value = read.problems;
    const first = Object.keys(read.problems)[0];
    if (first === undefined) return read.input;
    document.getElementById(fieldId(first))?.focus();
    return null;
  };
  const run = async () => {
    const data = wanted();
    if (!data || isBusy.value) return;
    isBusy.value = true;
    problem.value = null;
    try {
      const flow_sid = `${flow.flow_sid}@${flow.version_sid}`;
      navigate(playAddress(await call<string>("play_run_async", { flow_sid, input_data: data })));
    } catch (error) {
      problem.value = error;
    }
    isBusy.value = false;
  };
  const set = (field: Field, entry: Entry) => {
    entries.value = new Map(entries.value).set(field.name, entry);
    if (field.name in told.value)
      told.value = Object.fromEntries(Object.entries(told.value).filter(([name]) => name !== field.name));
  };
  const toggle = () => {
    if (json.value !== null) {
      const read = readJson(json.value, null);
      if ("input" in read) entries.value = entriesOf(fields ?? [], read.input);
      json.value = null;
    } else {
      json.value = JSON.stringify(readForm(fields ?? [], entries.value, flow.inputs!).input, null, 2);
    }
    told.value = {};
    jsonProblem.value = "";
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run();
      }}
    >
      <div class="run-head">
        <h2>Run</h2>
        {fields !== null && fields.length > 0 && (
          <button type="button" class="plain" aria-pressed={json.value !== null} onClick={toggle}>
            As JSON
          </button>
        )}
      </div>
      {input && <p class="quiet">The input is that of an earlier play. Change what should differ.</p>}
      <Needs needs={flow.needs} />
      {json.value !== null ? (
        <JsonInput text={json.value} problem={jsonProblem.value} onJson={(text) => (json.value = text)} />
      ) : fields!.length ? (
        fields!.map((field) => (
          <FieldRow
            key={field.name}
            field={field}
            entry={entries.value.has(field.name) ? entries.value.get(field.name)! : firstEntry(field)}
            problem={told.value[field.name] ?? ""}
            onEntry={(entry) => set(field, entry)}
          />
        ))
      ) : (
        <p class="quiet">It takes no input.</p>
      )}
      {problem.value !== null && <Problem error={problem.value} />}
      <button id="run" class="main" disabled={isBusy.value}>
        {isBusy.value ? "Starting …" : "Run"}
      </button>
    </form>
  );
}

function entriesOf(
  fields: readonly Field[],
  input: Record<string, unknown> | null,
): ReadonlyMap<string, Entry> {
  const given = new Map(Object.entries(input ?? {}));
  return new Map(
    fields
      .filter(({ name }) => given.has(name))
      .map((field) => [field.name, entryOf(field, given.get(field.name))]),
  );
}

function fieldId(name: string): string {
  return `input-${name}`;
}

/** What it asks for: nothing here grants any of it. */
function Needs({ needs }: { needs: Record<string, string[]> }) {
  const kinds = Object.entries(needs).filter(([, what]) => what.length);
  if (!kinds.length) return null;
  return (
    <p class="quiet">
      It asks for {kinds.map(([kind, what]) => `${kind}: ${what.join(", ")}`).join("; ")}. What the operator
      has not granted, a play of it is refused for.
    </p>
  );
}

interface JsonProps {
  text: string;
  problem: string;
  onJson: (text: string) => void;
}

function JsonInput({ text, problem, onJson }: JsonProps) {
  return (
    <div class="field">
      <label for="input-json">Input, as JSON</label>
      <textarea
        id="input-json"
        class="mono"
        rows={10}
        spellcheck={false}
        value={text}
        aria-invalid={problem !== ""}
        aria-describedby="input-json-problem"
        onInput={(event) => onJson(event.currentTarget.value)}
      />
      <p id="input-json-problem" class="field-problem" role="alert">
        {problem}
      </p>
    </div>
  );
}

interface FieldProps {
  field: Field;
  entry: Entry;
  problem: string;
  onEntry: (entry: Entry) => void;
}

function FieldRow({ field, entry, problem, onEntry }: FieldProps) {
  const id = fieldId(field.name);
  return (
    <div class="field">
      <div class="field-name">
        <label for={id} class="mono">
          {field.name}
        </label>
        <span class="quiet">{field.words}</span>
        {field.kind === "json" && <span class="chip">JSON</span>}
        {field.isRequired && <span class="chip needed">needed</span>}
      </div>
      <div class="field-entry">
        <Control field={field} entry={entry} id={id} problem={problem} onEntry={onEntry} />
        {field.isNullable && field.kind !== "boolean" && field.kind !== "choice" && (
          <label class="nothing">
            <input
              type="checkbox"
              checked={entry === null}
              onChange={(event) => onEntry(event.currentTarget.checked ? null : "")}
            />
            nothing
          </label>
        )}
      </div>
      {field.description && (
        <p id={`${id}-says`} class="quiet says">
          <Said text={field.description} />
        </p>
      )}
      <p id={`${id}-problem`} class="field-problem" role={problem ? "alert" : undefined}>
        {problem && `${field.name} ${problem}`}
      </p>
    </div>
  );
}

function Control({ field, entry, id, problem, onEntry }: FieldProps & { id: string }) {
  const shared = {
    id,
    "aria-invalid": problem !== "",
    "aria-describedby": `${id}-problem${field.description ? ` ${id}-says` : ""}`,
    "aria-required": field.isRequired,
  };
  if (field.kind === "boolean" || field.kind === "choice") {
    const choices = field.kind === "boolean" ? [true, false] : field.choices;
    const texts = choices.map((choice) => JSON.stringify(choice));
    return (
      <select
        {...shared}
        value={entry ?? "null"}
        onChange={(event) => onEntry(read(event.currentTarget.value, field))}
      >
        {entry === "" && <option value="">choose</option>}
        {choices.map((choice, place) => (
          <option value={texts[place]}>
            {typeof choice === "string" ? choice : choice === null ? "nothing" : texts[place]}
          </option>
        ))}
        {field.isNullable && <option value="null">nothing</option>}
      </select>
    );
  }
  const isLong = field.kind === "json" || (field.kind === "text" && (entry ?? "").includes("\n"));
  const props = {
    ...shared,
    value: entry ?? "",
    disabled: entry === null,
    onInput: (event: { currentTarget: { value: string } }) => onEntry(event.currentTarget.value),
  };
  if (isLong) return <textarea {...props} class="mono" rows={3} spellcheck={false} />;
  return (
    <input type="text" inputMode={field.kind === "text" ? "text" : "decimal"} autocomplete="off" {...props} />
  );
}

function read(text: string, field: Field): Entry {
  return text === "null" && field.isNullable ? null : text;
}
