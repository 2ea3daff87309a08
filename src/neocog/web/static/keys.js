// Keys that work everywhere, the list of them, and the switch between light and dark.

import { toggleCam } from "./prediction.js";
import { open as openAudit } from "./audit.js";
import { isDark } from "./colors.js";
import { byId, modal, el, say } from "./dom.js";
import { focusCard } from "./graph.js";
import { open as openPad } from "./pad.js";
import { neighbor, open as openImages } from "./images.js";
import { copy as copyLink } from "./link.js";
import { share } from "./share.js";
import { rest } from "./stage.js";
import { playOrPause } from "./unit.js";

const KEYS = [
  ["p", "choose an image", openImages],
  ["d", "draw one, or use the camera", openPad],
  ["[", "the previous image", () => neighbor(-1)],
  ["]", "the next image", () => neighbor(1)],
  ["m", "to the image; arrow keys shift it, with Shift by four pixels", () => byId("stage").focus()],
  ["0", "reset the transformation", rest],
  ["n", "to the network; arrow keys walk, Enter opens, + unfolds, − folds", focusCard],
  ["i", "to the layer below; arrow keys choose channels and units", () => byId("inspect").querySelector('[role="tab"][aria-selected="true"]')?.focus()],
  [" ", "slide the window, or pause it", playOrPause],
  [",", "the previous unit", () => byId("unit-before")?.click()],
  [".", "the next unit", () => byId("unit-after")?.click()],
  ["g", "Grad-CAM on the image", toggleCam],
  ["a", "audit", openAudit],
  ["e", "share: save the view as one interactive file", share],
  ["l", "copy a link that reopens this view", copyLink],
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
    list = modal("Keys");
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
  say(`${next} theme`);
  tellTheme();
}

function tellTheme() {
  dispatchEvent(new Event("neocog-theme"));
}
