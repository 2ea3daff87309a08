// Keys that work everywhere, the list of them, and the switch between light and dark.

import { toggleCam } from "./answer.js";
import { open as openAudit } from "./audit.js";
import { isDark } from "./colours.js";
import { byId, dialogue, el, say } from "./dom.js";
import { focusCard } from "./graph.js";
import { open as openPad } from "./pad.js";
import { neighbour, open as openPictures } from "./pictures.js";
import { share } from "./share.js";
import { rest } from "./stage.js";
import { playOrPause } from "./unit.js";

const KEYS = [
  ["p", "choose a picture", openPictures],
  ["d", "draw one, or use the camera", openPad],
  ["[", "the picture before", () => neighbour(-1)],
  ["]", "the next picture", () => neighbour(1)],
  ["m", "to the picture; arrow keys move it, with Shift by four", () => byId("stage").focus()],
  ["0", "put the picture back", rest],
  ["n", "to the network; arrow keys walk, Enter opens, + unfolds, − folds", focusCard],
  ["i", "to the layer below; arrow keys choose maps and units", () => byId("inspect").querySelector('[role="tab"][aria-selected="true"]')?.focus()],
  [" ", "slide the window, or pause it", playOrPause],
  [",", "the unit before", () => byId("unit-before")?.click()],
  [".", "the next unit", () => byId("unit-after")?.click()],
  ["g", "Grad-CAM on the picture", toggleCam],
  ["a", "audit", openAudit],
  ["e", "export the view as one file", share],
  ["t", "light or dark", toggleTheme],
  ["?", "this list", openKeys],
];
let list = null;

/** Listen. */
export function start() {
  byId("help").addEventListener("click", openKeys);
  byId("theme").addEventListener("click", toggleTheme);
  addEventListener("keydown", pressed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellTheme);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return;
  const { target } = event;
  if (target.closest('input:not([type="range"], [type="checkbox"], [type="radio"]), select, textarea')) return;
  // Space presses what has the focus; elsewhere it slides.
  if (event.key === " " && target.closest("button, input, a, summary, [tabindex='0'].scroll")) return;
  const found = KEYS.find(([key]) => key === event.key);
  if (!found || (event.key === " " && !byId("play"))) return;
  event.preventDefault();
  found[2]();
}

function openKeys() {
  if (!list) {
    list = dialogue("Keys");
    list.body.append(el("dl", { class: "keys" }, KEYS.flatMap(([key, what]) => [el("dt", {}, el("kbd", { text: key === " " ? "Space" : key })), el("dd", { text: what })])));
  }
  list.dialog.showModal();
}

/** The other of light and dark, kept for the next time. */
export function toggleTheme() {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("neocog-theme", next);
  } catch {
    // A browser that keeps nothing forgets it.
  }
  say(`${next} colours`);
  tellTheme();
}

function tellTheme() {
  dispatchEvent(new Event("neocog-theme"));
}
