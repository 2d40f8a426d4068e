// What the service gives, as far as the page reads it: docs/json.md.

export type PlayStatus = "pending" | "running" | "ok" | "failed" | "timed_out" | "cancelled";

/** A play without what can be heavy: a row of the list. */
export interface PlaySummary {
  sid: string;
  flow: string;
  status: PlayStatus;
  error: string;
  start_ms: number | null;
  end_ms: number | null;
  duration_ms: number | null;
  exit_code: number | null;
  artifacts: { path: string; size_bytes: number }[];
  sandbox: { tier: string; isolation: string; user: string; resources: string };
  needs: Record<string, string[]>;
  grants: Record<string, string[]>;
  counters: Record<string, number>;
  created_ms: number;
  is_waiting: boolean;
  retry_of: string;
  parent_play_sid: string;
  parent_span_id: string;
  asked_by: string;
  span_count: number;
}

/** A play as an event tells it, and as the head of the columns has it. */
export interface PlayNews extends PlaySummary {
  revision: number;
}

/** A play with what it was given, gave and printed. */
export interface PlayFacts extends PlaySummary {
  input: unknown;
  output: unknown;
  stdout: string;
  stderr: string;
}

/** A span as an event tells it: whole. */
export interface SpanNews {
  span_id: string;
  parent_id: string;
  name: string;
  kind: string;
  start_ms: number;
  end_ms: number | null;
  status: string;
  tags: Record<string, unknown>;
  logs: string;
  error: string;
  rpc_service: string;
  rpc_method: string;
  child_play_sid: string;
  source_file: string;
  source_line: number;
  ordinal: number;
  revision: number;
}

export interface Flow {
  flow_sid: string;
  name: string;
  description: string;
  tags: string[];
  is_archived: boolean;
  version_sid: string;
  kind: "python" | "legacy_dag";
  versions: number;
  created_ms: number;
  published_ms: number;
  revision: number;
}

export interface FlowDetails extends Flow {
  source: string;
  inputs: JsonSchema | null;
  outputs: Record<string, string>;
  needs: Record<string, string[]>;
  function: string;
  problems: { severity: string; line: number; message: string }[];
}

export type JsonSchema = { [key: string]: unknown };

const ENDED: ReadonlySet<string> = new Set(["ok", "failed", "timed_out", "cancelled"]);

/** Whether nothing more happens in a play of this status. */
export function hasEnded(status: string): boolean {
  return ENDED.has(status);
}
