// What the colors of a map stand for: the values at its ends, and zero, which is neutral.

import { el } from "./dom.js";
import { number } from "./numbers.js";

/** An empty legend, to be filled by `fillLegend`. */
export const makeLegend = () => el("div", { class: "legend", role: "img", hidden: true },
  el("span"), el("i", { class: "below" }), el("span", { text: "0" }), el("i", { class: "above" }), el("span"));

/** Fill a legend for the values lo … hi, drawn symmetrically about zero where they go below it. */
export function fillLegend(element, map) {
  element.hidden = !map;
  if (!map) return;
  const most = number(Math.max(Math.abs(map.lo), Math.abs(map.hi)), 2);
  const both = map.lo < 0;
  const [low, below, , , high] = element.children;
  low.hidden = below.hidden = !both;
  low.textContent = `−${most}`;
  high.textContent = most;
  element.setAttribute("aria-label", both ? `Blue is negative, down to −${most}; orange is positive, up to ${most}` : `Orange is positive, from 0 to ${most}`);
}
