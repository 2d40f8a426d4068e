// Where the page begins.

import { render } from "preact";
import "./styles/base.css";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import { startSession } from "./rpc/session.ts";
import { startKeys } from "./ui/keys.ts";
import { startClock } from "./ui/time.ts";

startRouter();
startKeys();
startClock();
void startSession();
render(<App />, document.getElementById("page")!);
