import { expect, test } from "vitest";
import { EventParser } from "./stream.ts";

const TEXT = ':\nid: 7\nevent: span\ndata: {"a":"é\\n: b"}\n\nid: 9\nevent: end\ndata: {}\n\n';

test("any split of the text gives the same events", () => {
  const whole = new EventParser().push(TEXT);
  expect(whole).toEqual([
    { id: 7, name: "span", data: '{"a":"é\\n: b"}' },
    { id: 9, name: "end", data: "{}" },
  ]);
  for (let cut = 0; cut <= TEXT.length; cut++) {
    const parser = new EventParser();
    expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(whole);
  }
});
