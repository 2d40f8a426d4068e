// The frame around every view: where one can go, and which view the address means.

import icon from "./icon.svg";
import { Play } from "./play/view.tsx";
import { Plays } from "./plays/view.tsx";
import { route } from "./router.ts";
import { standing } from "./rpc/session.ts";
import { Connection } from "./ui/connection.tsx";
import { Help, HelpButton } from "./ui/help.tsx";
import { lazy } from "./ui/lazy.tsx";

const Library = lazy(() => import("./library/view.tsx").then((module) => module.Library));
const Login = lazy(() => import("./login/view.tsx").then((module) => module.Login));
const Nowhere = lazy(() => import("./nowhere.tsx").then((module) => module.Nowhere));
const Compare = lazy(() => import("./compare/view.tsx").then((module) => module.Compare));

export function App() {
  const { view } = route.value;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="/" aria-label="hero-logic, all plays">
          <img src={icon} alt="" width="20" height="20" />
          <span>hero-logic</span>
        </a>
        <nav aria-label="Views">
          <a href="/" aria-current={view === "plays" ? "page" : undefined}>
            Plays
          </a>
          <a href="/library" aria-current={view === "library" ? "page" : undefined}>
            Library
          </a>
        </nav>
        <div class="spacer" />
        <Connection />
        <HelpButton />
      </header>
      <main id="main" tabIndex={-1}>
        <View />
      </main>
      <Help />
    </>
  );
}

function View() {
  const at = route.value;
  if (at.view === "nowhere") return <Nowhere />;
  const stands = standing.value;
  if (at.view === "login" || stands === "wanted" || stands === "over") return <Login />;
  if (stands === "unknown") return <p class="quiet" aria-busy="true" />;
  if (at.view === "plays") return <Plays />;
  if (at.view === "play") return <Play key={at.sid} sid={at.sid} />;
  if (at.view === "library") return <Library />;
  return <Compare />;
}
