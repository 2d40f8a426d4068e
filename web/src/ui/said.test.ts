import { expect, test } from "vitest";
import { piecesOf } from "./said.tsx";

test.each([
  ["run `hero-logic open` there", ["run ", "<hero-logic open>", " there"]],
  ["``name`` is whom", ["<name>", " is whom"]],
  ["no code", ["no code"]],
  ["", []],
  ["a lone ` stays", ["a lone ` stays"]],
  ["`a` or `b", ["<a>", " or `b"]],
  ["`over\nlines`", ["`over\nlines`"]],
])("%j is taken apart at its backticks", (text, pieces) => {
  expect(piecesOf(text).map(({ text, isCode }) => (isCode ? `<${text}>` : text))).toEqual(pieces);
});
