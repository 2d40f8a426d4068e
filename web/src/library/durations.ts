// How long the last plays of a flow took: what is drawn of them, and said.

import { counted } from "../timeline/format.ts";
import type { PlaySummary } from "../rpc/documents.ts";
import { statusWord } from "../ui/status.tsx";
import { agoWords, durationWords } from "../ui/time.ts";

/** A play that has ended, as the plot needs it. */
export interface Taken {
  sid: string;
  status: string;
  durationMs: number;
  endedMs: number;
}

/** Colours that bars have; "other" is what was cancelled. */
export const KINDS = ["ok", "failed", "other"] as const;
export type Kind = (typeof KINDS)[number];

/** Those that have ended, the oldest first: how long the others will take is not known. */
export function takenOf(plays: readonly PlaySummary[]): Taken[] {
  return plays
    .filter((play) => play.duration_ms !== null && play.end_ms !== null)
    .map(({ sid, status, duration_ms, end_ms }) => ({
      sid,
      status,
      durationMs: duration_ms!,
      endedMs: end_ms!,
    }))
    .sort((one, other) => one.endedMs - other.endedMs);
}

export function kindOf({ status }: Taken): Kind {
  if (status === "ok") return "ok";
  return status === "cancelled" ? "other" : "failed";
}

/** One list for the places, and one for each kind with null where a play is of another. */
export function columnsOf(taken: readonly Taken[]): [number[], ...(number | null)[][]] {
  const columns = KINDS.map((kind) => taken.map((play) => (kindOf(play) === kind ? play.durationMs : null)));
  return [taken.map((_, place) => place), ...columns];
}

/** `23 plays: median 95 ms, longest 1.2 s; 2 failed`. */
export function summaryOf(taken: readonly Taken[]): string {
  const sorted = taken.map(({ durationMs }) => durationMs).sort((one, other) => one - other);
  const failed = taken.filter((play) => kindOf(play) === "failed").length;
  const middle = sorted[(sorted.length - 1) >> 1]!;
  return (
    `${counted(taken.length, "play")}: median ${durationWords(middle)}, ` +
    `longest ${durationWords(sorted[sorted.length - 1]!)}; ${failed ? `${failed} failed` : "none failed"}`
  );
}

/** `failed after 1.25 s (1254.31 ms), 5 min ago`. */
export function saysOf({ status, durationMs, endedMs }: Taken, nowMs: number): string {
  const exact = Number(durationMs.toFixed(3));
  return `${statusWord(status)} after ${durationWords(durationMs)} (${exact} ms), ${agoWords(endedMs, nowMs)}`;
}

/** Steps of an axis of milliseconds: round in the unit that is written. */
export const STEPS_MS: readonly number[] = [
  ...[0.001, 0.01, 0.1, 1, 10, 100].flatMap((ten) => [ten, 2 * ten, 5 * ten]),
  ...[1, 2, 5, 10, 15, 30].map((seconds) => seconds * 1000),
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60_000),
  ...[1, 2, 4, 6, 12, 24, 48, 120, 240, 720, 2400, 8760].map((hours) => hours * 3_600_000),
];
