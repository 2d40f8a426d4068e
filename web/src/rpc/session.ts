// Whether this browser may ask: known from what the server answers, since no script can see the cookie.

import { signal } from "@preact/signals";

/** Why the server refuses this browser; null while it does not. */
export const refused = signal<string | null>(null);

/** The server wants a login: what is shown turns to it. */
export function sessionIsOver(why: string): void {
  refused.value = why;
}

/** A login was accepted. */
export function sessionBegins(): void {
  refused.value = null;
}
