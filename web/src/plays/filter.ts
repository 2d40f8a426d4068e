// Which plays are wanted: read from the address, asked of the server, and held against what the stream tells.

import type { PlayStatus, PlaySummary } from "../rpc/documents.ts";

export const STATUSES: readonly PlayStatus[] = [
  "running",
  "failed",
  "timed_out",
  "ok",
  "cancelled",
  "pending",
];

export const TIMES: readonly { key: string; words: string; ms: number }[] = [
  { key: "", words: "any time", ms: 0 },
  { key: "15min", words: "last 15 minutes", ms: 15 * 60_000 },
  { key: "1h", words: "last hour", ms: 3600_000 },
  { key: "24h", words: "last 24 hours", ms: 24 * 3600_000 },
  { key: "7d", words: "last 7 days", ms: 7 * 24 * 3600_000 },
  { key: "30d", words: "last 30 days", ms: 30 * 24 * 3600_000 },
];

export interface Filter {
  text: string;
  flow: string;
  statuses: readonly PlayStatus[];
  /** A key of TIMES. */
  time: string;
}

/** What an address asks for; what it says that means nothing is left out. */
export function filterOf(query: URLSearchParams): Filter {
  const asked = (query.get("status") ?? "").split(",");
  const time = query.get("time") ?? "";
  return {
    text: query.get("q") ?? "",
    flow: query.get("flow") ?? "",
    statuses: STATUSES.filter((status) => asked.includes(status)),
    time: TIMES.some(({ key }) => key === time) ? time : "",
  };
}

export function isFiltered(filter: Filter): boolean {
  return Boolean(filter.text || filter.flow || filter.statuses.length || filter.time);
}

/** The parameters of play_list. */
export function listParams(filter: Filter, nowMs: number): object {
  const since = sinceMs(filter, nowMs);
  return {
    ...(filter.text && { text: filter.text }),
    ...(filter.flow && { flow: filter.flow }),
    ...(filter.statuses.length && { statuses: filter.statuses }),
    ...(since && { since_ms: since }),
  };
}

/**
 * Whether a play that the stream tells of belongs to the list. "perhaps": the server looks for the text in the input
 * as well, which the stream does not tell.
 */
export function fits(play: PlaySummary, filter: Filter, nowMs: number): boolean | "perhaps" {
  if (filter.flow && play.flow !== filter.flow) return false;
  if (filter.statuses.length && !filter.statuses.includes(play.status)) return false;
  if (play.created_ms < sinceMs(filter, nowMs)) return false;
  if (!filter.text) return true;
  const text = filter.text.toLowerCase();
  return [play.sid, play.flow, play.error].some((of) => of.toLowerCase().includes(text)) || "perhaps";
}

function sinceMs(filter: Filter, nowMs: number): number {
  const ms = TIMES.find(({ key }) => key === filter.time)?.ms;
  return ms ? nowMs - ms : 0;
}
