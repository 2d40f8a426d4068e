/** Numbers in words, and round steps for an axis of time. What time is called: ui/time.ts. */

const grouped = new Intl.NumberFormat("en");

export function number(value: number): string {
  return grouped.format(value);
}

/** `3 spans`, `1 span`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
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
