// All plays, the newest first, as they happen.

import { signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { navigate, playAddress, query, withQuery } from "../router.ts";
import { call } from "../rpc/client.ts";
import type { Flow } from "../rpc/documents.ts";
import { useKeys, type KeySection } from "../ui/keys.ts";
import { lazy } from "../ui/lazy.tsx";
import { Problem } from "../ui/problem.tsx";
import { statusWord } from "../ui/status.tsx";
import { useTitle } from "../ui/title.ts";
import { filterOf, isFiltered, STATUSES, TIMES, type Filter } from "./filter.ts";
import { Grid } from "./grid.tsx";
import { PlayList } from "./list.ts";
import "./plays.css";

const Empty = lazy(() => import("./beside.tsx").then((module) => module.Empty), true);
const Marked = lazy(() => import("./beside.tsx").then((module) => module.Marked), true);

const TYPING_MS = 200;

/** The sids of what is to be compared: the last two that were marked. */
export const marked = signal<readonly string[]>([]);

export function mark(sid: string): void {
  const others = marked.value.filter((other) => other !== sid);
  marked.value = others.length < marked.value.length ? others : [...others, sid].slice(-2);
}

export function Plays() {
  useTitle("Plays");
  const filter = filterOf(query.value);
  const key = JSON.stringify(filter);
  const list = useMemo(() => new PlayList(filter), []);
  const isFirst = useRef(true);
  useEffect(() => {
    list.start();
    return () => list.stop();
  }, [list]);
  useEffect(() => {
    if (!isFirst.current) list.want(filter);
    isFirst.current = false;
  }, [key]);
  const search = useRef<HTMLInputElement>(null);
  useKeys(useMemo(() => keysOf(list, search), [list]));

  return (
    <div class="plays">
      <h1 class="hidden">Plays</h1>
      <Filters filter={filter} search={search} />
      {list.problem.value !== null && <Problem error={list.problem.value} again={() => void list.read()} />}
      <Grid
        list={list}
        empty={!list.isLoading.value && list.problem.value === null && <Empty filter={filter} />}
      />
      {marked.value.length > 0 && <Marked list={list} />}
    </div>
  );
}

function keysOf(list: PlayList, search: { current: HTMLInputElement | null }): KeySection {
  return {
    title: "The list of plays",
    keys: [
      { key: "ArrowUp / ArrowDown", says: "the play above or below" },
      { key: "Enter", says: "opens the play" },
      { key: "x", says: "marks it, to be compared with another" },
      { key: "/", says: "finds: in ids, flows, errors and inputs", run: () => search.current?.focus() },
      {
        key: "e",
        says: "opens the newest play that failed",
        run: () => {
          const failed = list.rows.value.find(({ status }) => status === "failed" || status === "timed_out");
          if (failed) navigate(playAddress(failed.sid));
        },
      },
    ],
  };
}

function Filters({ filter, search }: { filter: Filter; search: { current: HTMLInputElement | null } }) {
  const flows = useSignal<readonly string[]>([]);
  const typing = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    call<{ flows: Flow[] }>("flow_list", { limit: 200 }).then(
      (page) => (flows.value = page.flows.map(({ name }) => name)),
      () => undefined, // the field takes any name without it
    );
  }, []);
  const set = (changes: Record<string, string | null>) => navigate(withQuery(changes), { replace: true });
  const setSoon = (changes: Record<string, string | null>) => {
    clearTimeout(typing.current);
    typing.current = setTimeout(() => set(changes), TYPING_MS);
  };
  const toggle = (status: string) => {
    const chosen = STATUSES.filter((other) => (other === status) !== filter.statuses.includes(other));
    set({ status: chosen.join(",") });
  };
  return (
    <search class="filters">
      <input
        ref={search}
        type="search"
        class="find"
        aria-label="Find in ids, flows, errors and inputs"
        placeholder="Find in ids, flows, errors, inputs"
        value={filter.text}
        maxLength={1000}
        onInput={(event) => setSoon({ q: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <input
        type="search"
        class="flow"
        aria-label="Flow"
        placeholder="Flow"
        list="flows"
        value={filter.flow}
        onInput={(event) => setSoon({ flow: event.currentTarget.value })}
      />
      <datalist id="flows">
        {flows.value.map((name) => (
          <option value={name} />
        ))}
      </datalist>
      <select
        aria-label="Time"
        value={filter.time}
        onChange={(event) => set({ time: event.currentTarget.value })}
      >
        {TIMES.map(({ key, words }) => (
          <option value={key}>{words}</option>
        ))}
      </select>
      <div class="statuses" role="group" aria-label="Status">
        {STATUSES.map((status) => (
          <button
            key={status}
            aria-pressed={filter.statuses.includes(status)}
            class={`toggle ${status}`}
            onClick={() => toggle(status)}
          >
            {statusWord(status)}
          </button>
        ))}
      </div>
      {isFiltered(filter) && (
        <button class="plain" onClick={() => navigate("/", { replace: true })}>
          Clear
        </button>
      )}
    </search>
  );
}
