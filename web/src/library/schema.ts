// JSON Schema as far as flows speak it (docs/json.md, "Flows").

import type { JsonSchema } from "../rpc/documents.ts";

/** How far references, and values in values, are followed. */
export const DEEPEST = 20;

/** A schema without its references; what cannot be found takes anything, and the server has the last word. */
export function resolved(schema: unknown, root: JsonSchema): JsonSchema {
  let at = isObject(schema) ? schema : {};
  for (let step = 0; typeof at["$ref"] === "string" && step < DEEPEST; step++) {
    const { $ref, ...beside } = at;
    let found: unknown = root;
    for (const part of String($ref).replace(/^#\/?/, "").split("/"))
      found = isObject(found)
        ? found[decodeURIComponent(part).replace(/~1/g, "/").replace(/~0/g, "~")]
        : undefined;
    at = { ...(isObject(found) ? found : {}), ...beside };
  }
  return at;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
