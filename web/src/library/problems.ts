// A value against a schema: what is wrong with it, in words.

import type { JsonSchema } from "../rpc/documents.ts";
import { DEEPEST, isObject, resolved } from "./schema.ts";
import { typeWords } from "./words.ts";

/** What is wrong with a value, in words, each with its place; nothing where it fits. */
export function problems(value: unknown, schema: unknown, root: JsonSchema, place = "", depth = 0): string[] {
  const at = resolved(schema, root);
  if (depth > DEEPEST) return [];
  const any = (at["anyOf"] ?? at["oneOf"]) as unknown;
  if (Array.isArray(any)) {
    const each = any.map((one) => problems(value, one, root, place, depth + 1));
    if (each.some((found) => !found.length)) return [];
    // Of what comes closest: the type fits, something in it does not.
    const close = each.filter((_, index) => hasType(value, resolved(any[index], root)["type"]));
    return close.length === 1 ? close[0]! : [said(place, value, typeWords(at, root))];
  }
  if (Array.isArray(at["enum"]))
    return at["enum"].some((one) => same(one, value)) ? [] : [said(place, value, typeWords(at, root))];
  if ("const" in at) return same(at["const"], value) ? [] : [said(place, value, typeWords(at, root))];
  if (at["type"] !== undefined && !hasType(value, at["type"]))
    return [said(place, value, typeWords(at, root))];
  if (Array.isArray(value)) return listProblems(value, at, root, place, depth);
  if (isObject(value)) return objectProblems(value, at, root, place, depth);
  return [];
}

function listProblems(
  value: unknown[],
  at: JsonSchema,
  root: JsonSchema,
  place: string,
  depth: number,
): string[] {
  const first = Array.isArray(at["prefixItems"]) ? (at["prefixItems"] as unknown[]) : [];
  const found: string[] = [];
  const least = at["minItems"];
  const most = at["maxItems"];
  if (typeof least === "number" && value.length < least)
    found.push(`${where(place)}has ${value.length} items, and ${least} is the least`);
  if (typeof most === "number" && value.length > most)
    found.push(`${where(place)}has ${value.length} items, and ${most} is the most`);
  value.forEach((one, index) => {
    const schema = first[index] ?? at["items"];
    if (isObject(schema)) found.push(...problems(one, schema, root, `${place}[${index}]`, depth + 1));
  });
  return found;
}

function objectProblems(
  value: Record<string, unknown>,
  at: JsonSchema,
  root: JsonSchema,
  place: string,
  depth: number,
): string[] {
  const known = isObject(at["properties"]) ? at["properties"] : {};
  const found: string[] = [];
  for (const name of (at["required"] ?? []) as string[])
    if (!Object.hasOwn(value, name)) found.push(`${where(place)}lacks ${JSON.stringify(name)}`);
  for (const [name, one] of Object.entries(value)) {
    const inside = place ? `${place}.${name}` : name;
    if (Object.hasOwn(known, name)) found.push(...problems(one, known[name], root, inside, depth + 1));
    else if (at["additionalProperties"] === false)
      found.push(`${where(place)}takes no ${JSON.stringify(name)}`);
    else if (isObject(at["additionalProperties"]))
      found.push(...problems(one, at["additionalProperties"], root, inside, depth + 1));
  }
  return found;
}

function where(place: string): string {
  return place ? `${place} ` : "it ";
}

function said(place: string, value: unknown, wanted: string): string {
  const text = JSON.stringify(value) ?? "nothing";
  return `${where(place)}is ${text.length > 60 ? `${text.slice(0, 60)}…` : text}: it takes ${wanted}`;
}

function hasType(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => hasType(value, one));
  switch (type) {
    case "string":
      return typeof value === "string";
    case "integer":
      return typeof value === "number" && Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "boolean":
      return typeof value === "boolean";
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    default:
      return true;
  }
}

function same(a: unknown, b: unknown): boolean {
  return typeof a === typeof b && JSON.stringify(a) === JSON.stringify(b);
}
