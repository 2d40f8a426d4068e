// Where the page begins.

import { render } from "preact";
import { App } from "./app.tsx";
import { startRouter } from "./router.ts";
import "./styles/base.css";

startRouter();
render(<App />, document.getElementById("page")!);
