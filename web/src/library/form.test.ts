import { expect, test } from "vitest";
import { fieldsOf, firstEntry, readEntry, readForm, readJson, type Entry } from "./form.ts";
import { problems } from "./problems.ts";

const SCHEMA = {
  type: "object",
  properties: {
    name: { type: "string", description: "whom", default: "Ada" },
    times: { type: "integer" },
    ratio: { type: "number", default: 0.5 },
    polite: { type: "boolean", default: true },
    show: { enum: ["all", 1, null], default: "all" },
    words: { anyOf: [{ type: "array", items: { type: "string" } }, { type: "null" }], default: null },
    note: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    point: { $ref: "#/$defs/Point" },
  },
  required: ["times", "point"],
  additionalProperties: false,
  $defs: {
    Point: {
      type: "object",
      properties: { x: { type: "integer" }, y: { type: "integer" } },
      required: ["x"],
      additionalProperties: false,
    },
  },
};
const FIELDS = fieldsOf(SCHEMA)!;
const field = (name: string) => FIELDS.find((one) => one.name === name)!;
const entries = (given: Record<string, Entry>) => new Map(Object.entries(given));

test("each input has a field of its kind", () => {
  expect(FIELDS.map(({ name, kind }) => [name, kind])).toEqual([
    ["name", "text"],
    ["times", "integer"],
    ["ratio", "number"],
    ["polite", "boolean"],
    ["show", "choice"],
    ["words", "json"],
    ["note", "text"],
    ["point", "json"],
  ]);
  expect(field("note").isNullable && !field("note").isRequired).toBe(true);
});

test("what is left as it is, is not sent", () => {
  const left = entries({ name: "Ada", times: "3", point: '{"x": 1}', note: null });
  expect(readForm(FIELDS, left, SCHEMA)).toEqual({ input: { times: 3, point: { x: 1 } }, problems: {} });
});

test("what is changed is sent as its type", () => {
  const given = {
    name: "7",
    times: "3",
    ratio: "1e-3",
    polite: "false",
    show: "1",
    words: '["a"]',
    note: "",
    point: '{"x":1}',
  };
  expect(readForm(FIELDS, entries(given), SCHEMA).input).toEqual({
    name: "7",
    times: 3,
    ratio: 0.001,
    polite: false,
    show: 1,
    words: ["a"],
    note: "",
    point: { x: 1 },
  });
});

test.each([
  ["times", "", "takes a whole number"],
  ["times", "1.5", "is 1.5: it takes a whole number"],
  ["times", "many", 'is "many": it takes a whole number'],
  ["times", "9007199254740993", "is larger than a browser can send exactly: run it from the command line"],
  ["ratio", '"x"', 'is "x": it takes a number'],
  ["show", '"some"', 'is "some": it takes one of "all", 1 or nothing'],
  ["words", "[1]", "[0] is 1: it takes text"],
  ["words", "{", 'is "{", which is no JSON: it takes a list of texts, or nothing'],
  ["point", "{}", 'lacks "x"'],
  ["point", '{"x":1,"z":2}', 'takes no "z"'],
  ["point", '{"x":"1"}', 'x is "1": it takes a whole number'],
])("%s = %s is refused in words", (name, entry, problem) => {
  expect(readEntry(field(name), entry, SCHEMA)).toEqual({ problem });
});

test("what has to be given and is not is a problem of its field", () => {
  expect(Object.keys(readForm(FIELDS, entries({}), SCHEMA).problems)).toEqual(["times", "point"]);
});

test("JSON is taken in place of the form, and held against the same schema", () => {
  expect(readJson('{"times": 1, "point": {"x": 2}}', SCHEMA)).toEqual({
    input: { times: 1, point: { x: 2 } },
  });
  expect(readJson("[]", SCHEMA)).toHaveProperty("problem");
  expect(readJson("{", SCHEMA)).toHaveProperty("problem");
  expect(readJson('{"times": 1, "point": {"x": 2}, "zz": 1}', SCHEMA)).toEqual({
    problem: 'it takes no "zz"',
  });
  expect(readJson("", null)).toEqual({ input: {} });
});

test("a schema of something else makes no form", () => {
  for (const schema of [null, {}, { type: "array" }, { properties: 7 }] as never[])
    expect(fieldsOf(schema)).toBeNull();
});

test("a schema that refers to itself is read to an end", () => {
  const root = { $defs: { T: { $ref: "#/$defs/T" }, L: { type: "array", items: { $ref: "#/$defs/L" } } } };
  expect(problems([[[1]]], { $ref: "#/$defs/L" }, root)).toEqual([
    expect.stringContaining("is 1: it takes a list"),
  ]);
});

test("names of JavaScript's own are names like others", () => {
  const schema = JSON.parse(
    '{"type":"object","properties":{"__proto__":{"type":"integer"},"constructor":{"type":"string"}}}',
  );
  expect(fieldsOf(schema)!.map(({ name }) => name)).toEqual(["__proto__", "constructor"]);
  expect(firstEntry(fieldsOf(schema)![1]!)).toBe("");
  expect(readJson('{"toString": 1}', { ...schema, additionalProperties: false })).toHaveProperty("problem");
});
