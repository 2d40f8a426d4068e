// Reads two plays whole and aligns them, away from what is drawn.

import { ColumnDecoder, type Bytes } from "../timeline/columns.ts";
import { Spans } from "../timeline/spans.ts";
import { align, changesOf, mostChanged, type Change, type Place } from "./align.ts";

export interface Asked {
  a: string;
  b: string;
}

export interface Compared {
  places: Place[];
  /** How many there are: `places` has the most changed ones. */
  all: number;
  counts: Record<Change, number>;
}

export type Told = { compared: Compared } | { problem: string; status: number };

const MOST_PLACES = 20_000;

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  try {
    const [a, b] = await Promise.all([read(data.a), read(data.b)]);
    const all = align(a, b);
    const counts = { slower: 0, faster: 0, new: 0, gone: 0, failed: 0, mended: 0 };
    for (const place of all) for (const change of changesOf(place)) counts[change]++;
    tell({ compared: { places: mostChanged(all, MOST_PLACES), all: all.length, counts } });
  } catch (error) {
    const status = error instanceof Unread ? error.status : 0;
    tell({ problem: (error as Error).message, status });
  }
};

class Unread extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function read(sid: string): Promise<Spans> {
  const spans = new Spans();
  const decoder = new ColumnDecoder({
    head: () => {},
    names: (names) => spans.addNames(names),
    block: (block) => spans.addBlock(block),
    done: () => {},
  });
  const response = await fetch(`/plays/${encodeURIComponent(sid)}/columns`).catch(() => {
    throw new Unread(0, "The server does not answer. Is `hero-logic serve` running?");
  });
  if (!response.ok || !response.body)
    throw new Unread(response.status, `The spans of ${sid} could not be read.`);
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    decoder.push(value as Bytes);
  }
  decoder.finish();
  return spans;
}

function tell(told: Told): void {
  self.postMessage(told);
}
