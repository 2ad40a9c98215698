import { render } from "preact";
import "./theme.css";
import "./layout.css";
import "./parts.css";
import "./screens.css";
import "./small.css";
import "./charts.css";
import { App, followTheme } from "./app";
import { followUrl } from "./state";

followUrl();
followTheme();
const place = document.getElementById("page")!;
place.replaceChildren();
render(<App />, place);
