/** The parts of an error: the line that says it, the calls that led there, and the error as the traceback ends with it. */
export interface ErrorParts {
  readonly first: string;
  readonly frames: string;
  /** "" where the traceback has no end of its own. */
  readonly last: string;
}

/** Calls stand further in; what comes after the last of them is the error itself, of however many lines. */
export function errorParts(error: string): ErrorParts {
  const [first = "", ...lines] = error.trimEnd().split("\n");
  while (lines.length && !lines[0]!.trim()) lines.shift();
  const lastCall = lines.findLastIndex((line) => /^\s/.test(line));
  if (lastCall < 0) return { first, frames: "", last: lines.join("\n") };
  return {
    first,
    frames: lines.slice(0, lastCall + 1).join("\n"),
    last: lines.slice(lastCall + 1).join("\n"),
  };
}
