// Text in which `something` is to be typed, or is a name of a program: shown as such, and nothing else of it is markup.

/** Splits at backticks, one or two of them as docstrings have it; one that has no other stays what it is. */
export function piecesOf(text: string): { text: string; isCode: boolean }[] {
  const pieces: { text: string; isCode: boolean }[] = [];
  let end = 0;
  for (const match of text.matchAll(/(`{1,2})([^`\n]+)\1/g)) {
    if (match.index > end) pieces.push({ text: text.slice(end, match.index), isCode: false });
    pieces.push({ text: match[2]!, isCode: true });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), isCode: false });
  return pieces;
}

export function Said({ text }: { text: string }) {
  return <>{piecesOf(text).map(({ text, isCode }) => (isCode ? <code>{text}</code> : text))}</>;
}
