/** Times and numbers in words; all in the person's own place and language where that does no harm. */

/** How long something took, with three digits that mean something. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${digits(ms * 1000)} µs`;
  if (ms < 1000) return `${digits(ms)} ms`;
  if (ms < 60_000) return `${digits(ms / 1000)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds / 3600) % 24} h`;
}

function digits(value: number): string {
  const text = value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const grouped = new Intl.NumberFormat("en");

export function number(value: number): string {
  return grouped.format(value);
}

/** `3 spans`, `1 span`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A moment as the person's clock says it, to the millisecond. */
export function moment(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  const date = new Date(ms);
  const clock = date.toLocaleTimeString(undefined, { hour12: false });
  const day = date.toDateString() === new Date().toDateString() ? "" : `${date.toLocaleDateString()} `;
  return `${day}${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** The same exactly, for who hovers. */
export function exactly(ms: number): string {
  return Number.isFinite(ms) ? `${new Date(ms).toISOString()} (${ms} ms)` : "";
}

/** Round steps for an axis: at most so many between two times. */
export function ticks(
  fromMs: number,
  toMs: number,
  most: number,
): { readonly stepMs: number; readonly at: number[] } {
  const span = Math.max(toMs - fromMs, 1e-6);
  const least = span / Math.max(1, most);
  const stepMs = roundStep(least);
  const at: number[] = [];
  for (let tick = Math.ceil(fromMs / stepMs) * stepMs; tick <= toMs && at.length < 100; tick += stepMs)
    at.push(tick);
  return { stepMs, at };
}

const WHOLE_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

function roundStep(least: number): number {
  if (least >= 1000) {
    const seconds = WHOLE_STEPS.find((step) => step * 1000 >= least);
    if (seconds) return seconds * 1000;
  }
  const power = 10 ** Math.floor(Math.log10(least));
  for (const factor of [1, 2, 5, 10]) if (power * factor >= least * 0.999999) return power * factor;
  return power * 10;
}
