// Whether this browser may ask. No script can see the cookie: that there was a session is remembered beside it, and who
// never had one asks first, with a question that is not refused.

import { signal } from "@preact/signals";

/** "unknown" until it is known; "wanted": a login, before anything was shown; "over": a session that was there. */
export type Standing = "unknown" | "open" | "wanted" | "over";

/** How this browser stands with the server. */
export const standing = signal<Standing>("unknown");

const REMEMBERED = "hero-logic:session";

/** Find out how this browser stands; called once. */
export async function startSession(): Promise<void> {
  if (remembers()) standing.value = "open";
  else if (await mayAsk()) sessionBegins();
  else standing.value = "wanted";
}

/** The server wants a login: what is shown turns to it. */
export function sessionIsOver(): void {
  remember(false);
  standing.value = "over";
}

/** A login was accepted, or none is wanted. */
export function sessionBegins(): void {
  remember(true);
  standing.value = "open";
}

async function mayAsk(): Promise<boolean> {
  try {
    const response = await fetch("/session", { cache: "no-store" });
    return !response.ok || ((await response.json()) as { may_ask: boolean }).may_ask;
  } catch {
    return true; // what is asked for then says that the server is away
  }
}

// A browser that keeps nothing asks each time.
function remembers(): boolean {
  try {
    return localStorage.getItem(REMEMBERED) !== null;
  } catch {
    return false;
  }
}

function remember(isOpen: boolean): void {
  try {
    if (isOpen) localStorage.setItem(REMEMBERED, "1");
    else localStorage.removeItem(REMEMBERED);
  } catch {
    return;
  }
}
