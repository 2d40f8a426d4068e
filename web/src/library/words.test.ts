import { expect, test } from "vitest";
import { typeWords } from "./words.ts";

// As core/input_types.py gives them.
const STR = { type: "string" };
const INT = { type: "integer" };
const FLOAT = { type: "number" };
const BOOL = { type: "boolean" };
const NONE = { type: "null" };
const list = (items: unknown) => ({ type: "array", items });
const dict = (values: unknown) => ({ type: "object", additionalProperties: values });
const any = (...members: unknown[]) => ({ anyOf: members });
const tuple = (...items: unknown[]) => ({
  type: "array",
  minItems: items.length,
  maxItems: items.length,
  ...(items.length && { prefixItems: items }),
});
const point = { $ref: "#/$defs/Point" };
const ROOT = {
  $defs: {
    Point: { type: "object", properties: { x: INT, y: INT, label: any(STR, NONE) }, required: ["x", "y"] },
    Options: { type: "object", properties: { deep: BOOL }, required: [] },
    Wide: { type: "object", properties: Object.fromEntries([..."abcdefgh"].map((name) => [name, INT])) },
    Empty: { type: "object", properties: {} },
  },
};

test.each([
  ["str", STR, "text"],
  ["int", INT, "a whole number"],
  ["float", FLOAT, "a number"],
  ["bool", BOOL, "true or false"],
  ["any", {}, "any value"],
  ["str | None", any(STR, NONE), "text or nothing"],
  ["int | float", any(INT, FLOAT), "a number"],
  ["int | float | None", any(INT, FLOAT, NONE), "a number or nothing"],
  ["str | int | None", any(STR, INT, NONE), "text, a whole number or nothing"],
  ["bool | None", any(BOOL, NONE), "true or false, or nothing"],
  ["list", { type: "array" }, "a list"],
  ["list[str]", list(STR), "a list of texts"],
  ["list[str] | None", any(list(STR), NONE), "a list of texts, or nothing"],
  ["list[str] | str", any(list(STR), STR), "a list of texts, or text"],
  ["list[str | None]", list(any(STR, NONE)), "a list (each item text or nothing)"],
  ["list[bool]", list(BOOL), "a list (each item true or false)"],
  ["list[list[int]]", list(list(INT)), "a list of lists of whole numbers"],
  ["list[int | float]", list(any(INT, FLOAT)), "a list of numbers"],
  ["list[dict]", list({ type: "object" }), "a list of objects"],
  ["tuple[()]", tuple(), "an empty list"],
  ["tuple[int, int]", tuple(INT, INT), "a list of 2 whole numbers"],
  ["tuple[str, int]", tuple(STR, INT), "a list of 2 (text, then a whole number)"],
  ["list[tuple[str, int]]", list(tuple(STR, INT)), "a list of lists of 2 (text, then a whole number)"],
  ["dict", { type: "object" }, "an object"],
  ["dict[str, int]", dict(INT), "an object with a whole number under each name"],
  ["dict[str, list[int]]", dict(list(INT)), "an object with a list of whole numbers under each name"],
  ["dict[str, str | None]", dict(any(STR, NONE)), "an object (under each name text or nothing)"],
  ["list[dict[str, int]]", list(dict(INT)), "a list of objects with a whole number under each name"],
  ['Literal["a"]', { enum: ["a"] }, '"a"'],
  ['Literal["a", 1, None]', { enum: ["a", 1, null] }, 'one of "a", 1 or nothing'],
  ['Literal["a", "b"] | None', any({ enum: ["a", "b"] }, NONE), 'one of "a" or "b", or nothing'],
  ['list[Literal["a", "b"]]', list({ enum: ["a", "b"] }), 'a list (each item one of "a" or "b")'],
  [
    "a long Literal",
    { enum: [..."abcdefghijklmnop"] },
    'one of "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l" and 4 more',
  ],
  [
    "a dataclass",
    point,
    'an object with "x" (a whole number), "y" (a whole number) and perhaps "label" (text or nothing)',
  ],
  ["list of it", list(point), 'a list of objects with "x", "y" and perhaps "label"'],
  ["it or none", any(list(point), NONE), 'a list of objects with "x", "y" and perhaps "label", or nothing'],
  ["optional fields", list({ $ref: "#/$defs/Options" }), 'a list of objects with perhaps "deep"'],
  [
    "many fields",
    list({ $ref: "#/$defs/Wide" }),
    'a list of objects with perhaps "a", "b", "c", "d", "e" and "f", and 2 more',
  ],
  ["no fields", { $ref: "#/$defs/Empty" }, "an empty object"],
  ["too deep", list(list(list(list(INT)))), "a list of lists of lists of lists of values"],
])("%s takes what can be read aloud", (_, schema, words) => {
  expect(typeWords(schema, ROOT)).toBe(words);
});

test("a schema that refers to itself is read to an end", () => {
  const root = { $defs: { T: { $ref: "#/$defs/T" }, L: list({ $ref: "#/$defs/L" }) } };
  expect(typeWords({ $ref: "#/$defs/T" }, root)).toBe("any value");
  expect(typeWords({ $ref: "#/$defs/L" }, root)).toMatch(/^a list of lists/);
});
