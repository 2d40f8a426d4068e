// The library: flows that are published, what they take, what they are, and how to run them.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { navigate, query, withQuery } from "../router.ts";
import { call } from "../rpc/client.ts";
import type { Flow } from "../rpc/documents.ts";
import { useKeys, type KeySection } from "../ui/keys.ts";
import { Problem } from "../ui/problem.tsx";
import { Said } from "../ui/said.tsx";
import { useTitle } from "../ui/title.ts";
import { FlowView } from "./flow.tsx";
import "./library.css";

const TYPING_MS = 150;
const MOST_FOUND = 200;

export function Library() {
  const text = query.value.get("q") ?? "";
  const chosen = query.value.get("flow") ?? "";
  useTitle(chosen || "Library");
  const flows = useSignal<readonly Flow[] | null>(null);
  const problem = useSignal<unknown>(null);
  const asked = useRef<AbortController | null>(null);
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const search = useRef<HTMLInputElement>(null);

  const read = async () => {
    asked.current?.abort();
    const asking = (asked.current = new AbortController());
    try {
      const found = await call<{ flows: Flow[] }>(
        "flow_library_search",
        { query: text, limit: MOST_FOUND },
        asking.signal,
      );
      flows.value = found.flows;
      problem.value = null;
    } catch (error) {
      if (!asking.signal.aborted) problem.value = error;
    }
  };
  useEffect(() => {
    void read();
  }, [text]);
  useKeys(
    useMemo<KeySection>(
      () => ({
        title: "The library",
        keys: [
          { key: "/", says: "finds a flow", run: () => search.current?.focus() },
          { key: "ArrowUp / ArrowDown", says: "the flow above or below, in the list" },
          { key: "ArrowLeft / ArrowRight", says: "the play before or after, among its bars" },
          { key: "r", says: "goes to the form", run: () => document.getElementById("run")?.focus() },
        ],
      }),
      [],
    ),
  );
  const move = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...document.querySelectorAll<HTMLElement>(".flows a")];
    const at = links.indexOf(document.activeElement as HTMLElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    (at < 0 ? search.current : links[at])?.focus();
  };
  return (
    <div class={`library ${chosen ? "has-flow" : ""}`}>
      <div class="flows" onKeyDown={move}>
        <h1 class="hidden">Library</h1>
        <input
          ref={search}
          type="search"
          aria-label="Find a flow"
          placeholder="Find a flow"
          value={text}
          onInput={(event) => {
            const { value } = event.currentTarget;
            clearTimeout(typing.current);
            typing.current = setTimeout(
              () => navigate(withQuery({ q: value }), { replace: true }),
              TYPING_MS,
            );
          }}
        />
        {problem.value !== null && <Problem error={problem.value} again={read} />}
        <nav aria-label="Flows">
          <ul>
            {flows.value?.map((flow) => (
              <li key={flow.flow_sid}>
                <a
                  href={withQuery({ flow: flow.name, version: null, before: null, from: null })}
                  aria-current={flow.name === chosen ? "true" : undefined}
                >
                  <b class="cut">{flow.name}</b>
                  <span class="quiet about">
                    <Said text={flow.description} />
                  </span>
                </a>
              </li>
            ))}
          </ul>
        </nav>
        {flows.value?.length === 0 && <NoFlows text={text} />}
        {flows.value?.length === MOST_FOUND && (
          <p class="quiet note">The first {MOST_FOUND} are shown. Type to find others.</p>
        )}
      </div>
      <div class="flow">
        {chosen ? (
          <FlowView key={chosen} name={chosen} />
        ) : (
          flows.value?.length !== 0 && (
            <div class="empty">
              <h2>Choose a flow</h2>
              <p class="quiet">Its source, its versions and a form to run it are shown here.</p>
            </div>
          )
        )}
      </div>
    </div>
  );
}

function NoFlows({ text }: { text: string }) {
  if (text)
    return (
      <div class="empty">
        <h2>No flow fits</h2>
        <button onClick={() => navigate(withQuery({ q: null }), { replace: true })}>Show all flows</button>
      </div>
    );
  return (
    <div class="empty">
      <h2>The library is empty</h2>
      <p class="quiet">Publish a flow, and it can be run from here.</p>
      <pre>hero-logic flows add examples/greet.py</pre>
    </div>
  );
}
