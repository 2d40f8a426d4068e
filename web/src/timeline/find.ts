/** Going from one match to the next. */

/** The match after a position, or before it; around the end. -1 where there is none. */
export function nextMatch(matches: Int32Array, position: number, step: 1 | -1): number {
  if (!matches.length) return -1;
  let low = 0;
  let high = matches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (matches[middle]! < (step === 1 ? position + 1 : position)) low = middle + 1;
    else high = middle;
  }
  const at = step === 1 ? low : low - 1;
  return matches[(at + matches.length) % matches.length]!;
}
