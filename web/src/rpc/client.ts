// Calls of the service: JSON-RPC over POST /rpc, with the session of the page.

import { sessionIsOver } from "./session.ts";

/** A call was refused, or did not get through. `code` is the stable word of docs/errors.md. */
export class CallError extends Error {
  override readonly name = "CallError";

  constructor(
    readonly code: string,
    message: string,
    readonly hint: string = "",
  ) {
    super(message);
  }

  /** Whether the server was not there to be asked. */
  get isOffline(): boolean {
    return this.code === "offline";
  }
}

interface Answer<T> {
  result?: T;
  error?: { message: string; data?: { code?: string; hint?: string } };
}

let nextId = 1;

/** The result of one call. Raises CallError; where the session is over, the page turns to the login as well. */
export async function call<T>(method: string, params: object = {}, signal?: AbortSignal): Promise<T> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: nextId++, method, params });
  const answer = (await ask("/rpc", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
    ...(signal && { signal }),
  }).then(readJson)) as Answer<T>;
  if (answer.error) {
    const { code, hint } = answer.error.data ?? {};
    throw new CallError(code ?? "error", answer.error.message, hint);
  }
  return answer.result as T;
}

/** The server was not there to be asked. */
export function offline(): CallError {
  return new CallError("offline", "The server does not answer.", "Is `hero-logic serve` running?");
}

/** A response of the server that is no refusal. Raises CallError like call(). */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw offline();
  }
  if (response.ok) return response;
  if (response.status === 401 && path !== "/login") sessionIsOver();
  throw await refusal(response);
}

async function refusal(response: Response): Promise<CallError> {
  try {
    const { error } = (await response.json()) as {
      error: {
        code: string | number;
        message: string;
        hint?: string;
        data?: { code?: string; hint?: string };
      };
    };
    return new CallError(
      error.data?.code ?? String(error.code),
      error.message,
      error.hint ?? error.data?.hint,
    );
  } catch {
    return new CallError("error", `The server answered with ${response.status}.`);
  }
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new CallError("offline", "The answer of the server broke off.", "Try again.");
  }
}
