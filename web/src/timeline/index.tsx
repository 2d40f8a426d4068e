// The timeline of a play.

import type { LiveStore } from "../live/store.ts";

export function Timeline(_props: { sid: string; live: LiveStore }) {
  return null;
}
