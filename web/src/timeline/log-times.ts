/** When the logs of the rows in sight came, for the marks on their bars: asked for once a row has been in sight for a while. */

import { call } from "../rpc/client.ts";
import type { RowView } from "./messages.ts";
import type { Model } from "./model.ts";

const PAUSE_MS = 250;
const MOST_AT_ONCE = 20;
const MOST_KEPT = 2000;
const MOST_OF_A_SPAN = 500;

export class LogTimes {
  private readonly times = new Map<number, readonly number[]>();
  private readonly asked = new Set<number>();
  private timer = 0;
  private rows: readonly RowView[] = [];

  constructor(private readonly model: Model) {}

  close(): void {
    clearTimeout(this.timer);
  }

  /** What is known; what is not is asked for soon. */
  of(rows: readonly RowView[]): ReadonlyMap<number, readonly number[]> {
    if (rows !== this.rows) {
      this.rows = rows;
      clearTimeout(this.timer);
      if (rows.some((row) => this.isWanted(row)))
        this.timer = window.setTimeout(() => void this.fetch(), PAUSE_MS);
    }
    return this.times;
  }

  private isWanted(row: RowView): boolean {
    return row.hasLogs && row.row >= 0 && (!this.asked.has(row.row) || Number.isNaN(row.endMs));
  }

  private async fetch(): Promise<void> {
    const wanted = this.rows.filter((row) => this.isWanted(row)).slice(0, MOST_AT_ONCE);
    if (this.times.size > MOST_KEPT) {
      this.times.clear();
      this.asked.clear();
    }
    for (const row of wanted) this.asked.add(row.row);
    // One after the other: marks are worth no crowd of requests.
    for (const row of wanted) {
      try {
        const facts = await this.model.ask<"span">({ kind: "span", key: row.key, nowMs: 0 });
        if (!facts) continue;
        const params = { play_sid: this.model.live.sid, span_id: facts.spanId };
        const { logs } = await call<{ logs: string }>("span_logs", params);
        this.times.set(row.row, timesIn(logs));
      } catch {
        return; // Whatever is wrong with the server is said where it matters.
      }
    }
    this.model.redraw();
  }
}

/** The times of logs: each begins a line with `[ts_ms] `. */
export function timesIn(logs: string): number[] {
  const found: number[] = [];
  for (const [, ms] of logs.matchAll(/^\[(-?\d+)\] /gm)) {
    found.push(Number(ms));
    if (found.length >= MOST_OF_A_SPAN) break;
  }
  return found;
}
