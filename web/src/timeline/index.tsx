// The timeline of a play.

import { useEffect } from "preact/hooks";
import type { LiveStore } from "../live/store.ts";
import { call } from "../rpc/client.ts";

export function Timeline({ sid, live }: { sid: string; live: LiveStore }) {
  useEffect(() => {
    call<{ revision: number }>("play_status", { play_sid: sid }).then(
      ({ revision }) => live.follow(revision),
      () => undefined,
    );
  }, [sid, live]);
  return null;
}
