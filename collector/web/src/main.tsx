import { render } from "preact";
import "./styles/tokens.css";
import "./styles/elements.css";
import "./styles/words.css";
import { App } from "./App";

const root = document.getElementById("app");
if (root) render(<App />, root);
