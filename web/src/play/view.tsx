// One play: what became of it, and its timeline.

import { useEffect, useMemo } from "preact/hooks";
import { LiveStore } from "../live/store.ts";
import { Timeline } from "../timeline/index.tsx";

export function Play({ sid }: { sid: string }) {
  const live = useMemo(() => new LiveStore(sid), [sid]);
  useEffect(() => () => live.close(), [live]);
  return (
    <>
      <h1>{live.play.value?.flow || sid}</h1>
      <Timeline sid={sid} live={live} />
    </>
  );
}
