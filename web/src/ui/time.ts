// Times and durations in words: local, short, with the exact value for who hovers.

import { signal } from "@preact/signals";

/** Now, in milliseconds since the Unix epoch, once a second while somebody looks. */
export const nowMs = signal(Date.now());

let isTicking = false;

/** Begin to tick; called once. */
export function startClock(): void {
  if (isTicking) return;
  isTicking = true;
  setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, 1000);
  document.addEventListener("visibilitychange", () => (nowMs.value = Date.now()));
}

/**
 * A duration with three digits that count: `420 µs`, `18.3 ms`, `1.25 s`, `3 min 05 s`, `2 h 04 min`, `3 d 07 h`.
 * "" where it is not known.
 */
export function durationWords(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  if (ms < 0) return `−${durationWords(-ms)}`;
  if (ms > 0 && ms < 0.9995) return `${digits(ms * 1000)} µs`;
  if (ms < 999.5) return `${digits(ms)} ms`;
  if (ms < 59_950) return `${digits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.round(ms / 3_600_000);
  return `${Math.floor(hours / 24)} d ${two(hours % 24)} h`;
}

function digits(value: number): string {
  if (value === 0) return "0";
  if (value < 9.995) return value.toFixed(2).replace(/\.?0+$/, "") || "0";
  if (value < 99.95) return value.toFixed(1).replace(/\.0$/, "");
  return value.toFixed(0);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** How long ago: `now`, `12 s ago`, `5 min ago`, `3 h ago`, then the date. */
export function agoWords(ms: number, now: number): string {
  const seconds = Math.round((now - ms) / 1000);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 24 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** The clock at a moment, local, to the millisecond; with the day where that is not today. */
export function clockWords(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  const date = new Date(ms);
  const clock = date.toLocaleTimeString(undefined, { hour12: false });
  const day = date.toDateString() === new Date().toDateString() ? "" : `${date.toLocaleDateString()} `;
  return `${day}${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The exact moment, local, to the millisecond, with its zone. "" where it is not known. */
export function exactWords(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  const date = new Date(ms);
  const zone = -date.getTimezoneOffset();
  const sign = zone < 0 ? "−" : "+";
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const fraction = String(date.getMilliseconds()).padStart(3, "0");
  const offset = `${sign}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`;
  return `${day} ${time}.${fraction} ${offset}`;
}

/** The moment for a `datetime` attribute. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
