// Logging in, with a code that works once. It is taken from the fragment of the address, which no server and no log
// sees, and is gone from the address before anything else happens.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hash, navigate, route } from "../router.ts";
import { ask } from "../rpc/client.ts";
import { sessionBegins, standing } from "../rpc/session.ts";
import { sentence } from "../ui/problem.tsx";
import { Said } from "../ui/said.tsx";
import { useTitle } from "../ui/title.ts";
import "./login.css";

const OVER = "The session is over: it lasts twelve hours, or until the server ends. Log in once more.";

/** The code of what somebody pastes: a code, or the whole address that has one. */
export function codeOf(text: string): string {
  return text.trim().split("#").pop()!.trim();
}

export function Login() {
  useTitle("Log in");
  const problem = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const text = useSignal("");

  const logIn = async (code: string) => {
    if (!code || isBusy.value) return;
    isBusy.value = true;
    problem.value = null;
    try {
      await ask("/login", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ code }),
      });
      sessionBegins();
      if (route.value.view === "login") navigate("/", { replace: true });
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    }
    isBusy.value = false;
  };
  useEffect(() => {
    if (route.value.view !== "login") return;
    const code = codeOf(hash.value.slice(1));
    if (!code) return;
    navigate("/login", { replace: true });
    void logIn(code);
  }, [hash.value]);

  const why = problem.value ?? (standing.value === "over" ? OVER : null);
  return (
    <section class="login">
      <h1>Log in</h1>
      {why ? (
        <p class="problem" role="alert">
          <Said text={sentence(why)} />
        </p>
      ) : (
        !isBusy.value && <p>This server shows its plays to those whom it knows.</p>
      )}
      {isBusy.value && !text.value ? (
        <p role="status">Logging in …</p>
      ) : (
        <>
          <p>On the machine of the server, run</p>
          <pre>hero-logic open</pre>
          <p>and open the address that it prints, or paste it here. It works once, for five minutes.</p>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              void logIn(codeOf(text.value));
            }}
          >
            <label>
              Address or code
              <input
                type="text"
                autocomplete="off"
                spellcheck={false}
                value={text.value}
                onInput={(event) => (text.value = event.currentTarget.value)}
              />
            </label>
            <button class="main" disabled={!text.value.trim() || isBusy.value}>
              Log in
            </button>
          </form>
        </>
      )}
    </section>
  );
}
