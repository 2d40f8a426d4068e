// Where the page is: the address is the state, so that whatever is seen has a link and "back" goes back.

import { computed, signal } from "@preact/signals";

export type Route =
  | { view: "plays" }
  | { view: "play"; sid: string }
  | { view: "library" }
  | { view: "compare" }
  | { view: "login" }
  | { view: "nowhere" };

interface Place {
  path: string;
  query: URLSearchParams;
  hash: string;
}

const place = signal<Place>(read());

/** The path, without its query. */
export const path = computed(() => place.value.path);
/** What stands behind the `?`. */
export const query = computed(() => place.value.query);
export const hash = computed(() => place.value.hash);
export const route = computed(() => routeOf(path.value));

/** What a path leads to. */
export function routeOf(path: string): Route {
  const parts = path.split("/").filter(Boolean);
  if (parts.length === 0) return { view: "plays" };
  if (parts.length === 2 && parts[0] === "p") return { view: "play", sid: decoded(parts[1]!) };
  if (parts.length === 1 && (parts[0] === "library" || parts[0] === "compare" || parts[0] === "login"))
    return { view: parts[0] };
  return { view: "nowhere" };
}

/** Go to an address of this page. */
export function navigate(address: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", address);
  else {
    history.pushState(null, "", address);
    scrollTo(0, 0);
  }
  place.value = read();
}

/** The same place with some of the query changed; null or "" takes a key out. */
export function withQuery(changes: Record<string, string | null>): string {
  const next = new URLSearchParams(query.value);
  for (const [key, value] of Object.entries(changes)) value ? next.set(key, value) : next.delete(key);
  const text = next.toString();
  return path.value + (text ? `?${text}` : "");
}

/** The address of a play. */
export function playAddress(sid: string): string {
  return `/p/${encodeURIComponent(sid)}`;
}

/** The address of two plays side by side. */
export function compareAddress(a: string, b: string): string {
  return `/compare?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`;
}

/** Follow links within the page without loading it anew. */
export function startRouter(): void {
  addEventListener("popstate", () => (place.value = read()));
  addEventListener("hashchange", () => (place.value = read()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
    if (routeOf(link.pathname).view === "nowhere") return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  });
}

function read(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search), hash: location.hash };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
