// What a schema takes, in words that can be read aloud: "a list of texts, or nothing".

import type { JsonSchema } from "../rpc/documents.ts";
import { isObject, resolved } from "./schema.ts";

const DEEPEST_SAID = 3;
const MOST_CHOICES = 12;
const MOST_FIELDS = 6;

interface Words {
  one: string;
  /** Of several: "texts"; null where there is no such word. */
  many: string | null;
  /** Whether it can stand in a row of alternatives without a comma before the last. */
  isShort: boolean;
}

/** What a schema takes, in words. */
export function typeWords(schema: unknown, root: JsonSchema): string {
  return wordsOf(schema, root, 0).one;
}

function wordsOf(schema: unknown, root: JsonSchema, depth: number): Words {
  if (depth > DEEPEST_SAID) return short("a value", "values");
  const at = resolved(schema, root);
  if (Array.isArray(at["enum"])) return choiceWords(at["enum"]);
  if ("const" in at) return choiceWords([at["const"]]);
  const any = at["anyOf"] ?? at["oneOf"];
  if (Array.isArray(any)) return unionWords(any, root, depth);
  switch (at["type"]) {
    case "string":
      return short("text", "texts");
    case "integer":
      return short("a whole number", "whole numbers");
    case "number":
      return short("a number", "numbers");
    case "boolean":
      return { one: "true or false", many: null, isShort: false };
    case "null":
      return short("nothing", null);
    case "array":
      return listWords(at, root, depth);
    case "object":
      return objectWords(at, root, depth);
    default:
      return short("any value", "values");
  }
}

function short(one: string, many: string | null): Words {
  return { one, many, isShort: true };
}

function choiceWords(choices: readonly unknown[]): Words {
  const said = choices.slice(0, MOST_CHOICES).map((one) => (one === null ? "nothing" : JSON.stringify(one)));
  const more = choices.length - said.length;
  if (said.length === 1) return short(said[0]!, null);
  const one = more ? `one of ${said.join(", ")} and ${more} more` : `one of ${listed(said, "or")}`;
  return { one, many: null, isShort: false };
}

function unionWords(any: readonly unknown[], root: JsonSchema, depth: number): Words {
  const members = new Map(any.map((one) => [wordsOf(one, root, depth).one, wordsOf(one, root, depth)]));
  // Each whole number is a number.
  if (members.has("a number")) members.delete("a whole number");
  const said = [...members.values()];
  if (said.length === 1) return said[0]!;
  const words = said.map(({ one }) => one);
  if (said.every(({ isShort }) => isShort)) return { one: listed(words, "or"), many: null, isShort: false };
  return {
    one: `${words.slice(0, -1).join(", ")}, or ${words[words.length - 1]!}`,
    many: null,
    isShort: false,
  };
}

function listWords(at: JsonSchema, root: JsonSchema, depth: number): Words {
  const first = at["prefixItems"];
  if (Array.isArray(first)) return tupleWords(first, root, depth);
  if (at["maxItems"] === 0) return long("an empty list", "empty lists");
  if (at["items"] === undefined) return short("a list", "lists");
  const { one, many } = wordsOf(at["items"], root, depth + 1);
  if (many !== null) return long(`a list of ${many}`, `lists of ${many}`);
  return long(`a list (each item ${one})`, `lists (each item ${one})`);
}

function tupleWords(items: readonly unknown[], root: JsonSchema, depth: number): Words {
  const each = items.map((one) => wordsOf(one, root, depth + 1));
  const many = each[0]?.many;
  if (each.length > 1 && many && each.every((one) => one.many === many))
    return long(`a list of ${each.length} ${many}`, `lists of ${each.length} ${many}`);
  const order = each.map(({ one }) => one).join(", then ");
  return long(`a list of ${each.length} (${order})`, `lists of ${each.length} (${order})`);
}

function objectWords(at: JsonSchema, root: JsonSchema, depth: number): Words {
  if (isObject(at["properties"])) return recordWords(at, at["properties"], root, depth);
  if (!isObject(at["additionalProperties"])) return short("an object", "objects");
  const { one, isShort } = wordsOf(at["additionalProperties"], root, depth + 1);
  const what = isShort || !/[,(]| or /.test(one) ? `with ${one} under each name` : `(under each name ${one})`;
  return long(`an object ${what}`, `objects ${what}`);
}

/** The fields of a dataclass; with what they take, where it is the whole of the input. */
function recordWords(
  at: JsonSchema,
  fields: Record<string, unknown>,
  root: JsonSchema,
  depth: number,
): Words {
  const names = Object.keys(fields);
  if (!names.length) return long("an empty object", "empty objects");
  const needed = new Set((at["required"] ?? []) as string[]);
  const shown = [...names.filter((name) => needed.has(name)), ...names.filter((name) => !needed.has(name))];
  const said = shown.slice(0, MOST_FIELDS).map((name) => {
    const takes = depth ? "" : ` (${wordsOf(fields[name], root, depth + 1).one})`;
    return { text: JSON.stringify(name) + takes, isNeeded: needed.has(name) };
  });
  const sure = textsOf(said, true);
  const perhaps = textsOf(said, false);
  const both = perhaps.length
    ? [sure.join(", "), `perhaps ${listed(perhaps, "and")}`].filter(Boolean).join(" and ")
    : listed(sure, "and");
  const more = names.length > MOST_FIELDS ? `, and ${names.length - MOST_FIELDS} more` : "";
  const what = `with ${both}${more}`;
  return long(`an object ${what}`, `objects ${what}`);
}

function textsOf(said: readonly { text: string; isNeeded: boolean }[], isNeeded: boolean): string[] {
  return said.filter((one) => one.isNeeded === isNeeded).map(({ text }) => text);
}

function long(one: string, many: string): Words {
  return { one, many, isShort: false };
}

function listed(words: readonly string[], last: "and" | "or"): string {
  return words.length < 2
    ? (words[0] ?? "")
    : `${words.slice(0, -1).join(", ")} ${last} ${words[words.length - 1]!}`;
}
