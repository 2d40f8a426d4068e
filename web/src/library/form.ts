// A form made from the input schema of a flow: a field for each input, and the input from what stands in the fields.
// What is left as it is, is not sent: the flow fills in its own defaults.

import type { JsonSchema } from "../rpc/documents.ts";
import { problems } from "./problems.ts";
import { isObject, resolved } from "./schema.ts";
import { typeWords } from "./words.ts";

export type FieldKind = "text" | "integer" | "number" | "boolean" | "choice" | "json";

export interface Field {
  name: string;
  kind: FieldKind;
  description: string;
  /** What it takes, in words. */
  words: string;
  choices: unknown[];
  isNullable: boolean;
  isRequired: boolean;
  hasDefault: boolean;
  default: unknown;
  schema: unknown;
}

/** What stands in a field: its text, or nothing at all (null). */
export type Entry = string | null;

/** The fields of a schema; null where it is none that a form can be made of. */
export function fieldsOf(schema: JsonSchema | null): Field[] | null {
  if (!schema || !isObject(schema["properties"])) return null;
  const required = new Set((schema["required"] ?? []) as string[]);
  return Object.entries(schema["properties"]).map(([name, of]) =>
    fieldOf(name, of, required.has(name), schema),
  );
}

function fieldOf(name: string, of: unknown, isRequired: boolean, root: JsonSchema): Field {
  const whole = resolved(of, root);
  const any = Array.isArray(whole["anyOf"])
    ? (whole["anyOf"] as unknown[]).map((one) => resolved(one, root))
    : [whole];
  const kinds = any.filter((one) => one["type"] !== "null");
  const main = kinds.length === 1 ? kinds[0]! : {};
  return {
    name,
    kind: kindOf(main),
    description: String(whole["description"] ?? ""),
    words: typeWords(whole, root),
    choices: Array.isArray(main["enum"]) ? main["enum"] : [],
    isNullable: kinds.length < any.length,
    isRequired,
    hasDefault: "default" in whole,
    default: whole["default"],
    schema: of,
  };
}

function kindOf(schema: JsonSchema): FieldKind {
  if (Array.isArray(schema["enum"])) return "choice";
  const type = schema["type"];
  if (type === "string") return "text";
  return type === "integer" || type === "number" || type === "boolean" ? type : "json";
}

const LONGEST_LINE = 40;

/** What stands in a field at first. */
export function firstEntry(field: Field): Entry {
  if (!field.hasDefault) return field.isNullable ? null : "";
  return entryOf(field, field.default);
}

/** How a value stands in a field. */
export function entryOf(field: Field, value: unknown): Entry {
  if (value === null && field.isNullable) return null;
  if (field.kind === "text" && typeof value === "string") return value;
  const flat = JSON.stringify(value);
  return field.kind === "json" && flat.length > LONGEST_LINE ? JSON.stringify(value, null, 1) : flat;
}

/** The value of what stands in a field, or what is wrong with it. */
export function readEntry(
  field: Field,
  entry: Entry,
  root: JsonSchema,
): { value: unknown } | { problem: string } {
  if (entry === null) return { value: null };
  let value: unknown = entry;
  if (field.kind !== "text") {
    const text = entry.trim();
    if (text === "") return { problem: `takes ${field.words}` };
    try {
      value = JSON.parse(text);
    } catch {
      return {
        problem: `is ${JSON.stringify(short(text))}${noJson(field)}: it takes ${field.words}`,
      };
    }
  }
  if (field.kind === "integer" && Number.isInteger(value) && !Number.isSafeInteger(value))
    return { problem: "is larger than a browser can send exactly: run it from the command line" };
  const found = problems(value, field.schema, root);
  return found.length ? { problem: found[0]!.replace(/^it /, "") } : { value };
}

export interface Reading {
  input: Record<string, unknown>;
  /** By the name of the field. */
  problems: Record<string, string>;
}

/** The input that a form makes: what was changed, and what has to be given. */
export function readForm(
  fields: readonly Field[],
  entries: ReadonlyMap<string, Entry>,
  root: JsonSchema,
): Reading {
  const values: [name: string, value: unknown][] = [];
  const problems: Record<string, string> = {};
  for (const field of fields) {
    const entry = entries.has(field.name) ? entries.get(field.name)! : firstEntry(field);
    const isLeft = !entries.has(field.name) || entry === firstEntry(field);
    if (isLeft && !field.isRequired) continue;
    const read = readEntry(field, entry, root);
    if ("problem" in read) problems[field.name] = read.problem;
    else values.push([field.name, read.value]);
  }
  // Names are any: as own keys, whatever they are.
  return { input: Object.fromEntries(values), problems };
}

/** The input of a text of JSON, or what is wrong with it. */
export function readJson(
  text: string,
  root: JsonSchema | null,
): { input: Record<string, unknown> } | { problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text.trim() || "{}");
  } catch (error) {
    return { problem: `This is no JSON: ${(error as Error).message}` };
  }
  if (!isObject(value)) return { problem: "The input is an object: a value for each name." };
  const found = root ? problems(value, root, root) : [];
  return found.length ? { problem: found.join("; ") } : { input: value };
}

function noJson(field: Field): string {
  return field.kind === "json" ? ", which is no JSON" : "";
}

function short(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
