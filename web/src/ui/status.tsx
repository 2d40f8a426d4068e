// How a play or a span stands: a word and a shape, so that nothing depends on a colour.

const WORDS: Record<string, string> = {
  pending: "pending",
  running: "running",
  ok: "ok",
  failed: "failed",
  timed_out: "timed out",
  cancelled: "cancelled",
};

const SHAPES: Record<string, string> = {
  pending: "M7 1.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M7 4v3.2l2 1.3",
  running: "M12.5 7A5.5 5.5 0 1 1 7 1.5",
  ok: "M2 7.5l3.3 3.3L12 3.5",
  failed: "M3 3l8 8M11 3l-8 8",
  timed_out: "M3 1.5h8M3 12.5h8M4 1.5c0 3 3 3.5 3 5.5s-3 2.5-3 5.5M10 1.5c0 3-3 3.5-3 5.5s3 2.5 3 5.5",
  cancelled: "M7 1.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M3.2 3.2l7.6 7.6",
};

/** The word for a status. */
export function statusWord(status: string): string {
  return WORDS[status] ?? status;
}

export function Status({ status }: { status: string }) {
  const known = status in WORDS ? status : "cancelled";
  return (
    <span class={`status ${known}`}>
      <svg viewBox="0 0 14 14" fill="none" stroke="currentColor" stroke-width="1.8" aria-hidden="true">
        <path d={SHAPES[known]} stroke-linecap="round" stroke-linejoin="round" />
      </svg>
      {statusWord(status)}
    </span>
  );
}
