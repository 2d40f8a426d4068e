/** What is asked of a find box. */

/** What a person typed: all words have to fit; `status:failed` and `kind:rpc` ask for just that. */
export interface Query {
  readonly words: readonly string[];
  readonly status: string;
  readonly kind: string;
}

export function readQuery(text: string): Query {
  const words: string[] = [];
  let status = "";
  let kind = "";
  for (const word of text.toLowerCase().split(/\s+/).filter(Boolean)) {
    if (word.startsWith("status:") && word.length > 7) status = word.slice(7);
    else if (word.startsWith("kind:") && word.length > 5) kind = word.slice(5);
    else words.push(word);
  }
  return { words, status, kind };
}

export function isEmpty(query: Query): boolean {
  return !query.words.length && !query.status && !query.kind;
}

/** What has to be looked for in tags and logs: the words alone. */
export function wordsOf(text: string): string {
  return readQuery(text).words.join(" ");
}
