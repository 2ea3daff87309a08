// The equivariance error of every layer: under its card as a bar and a number, and who is to blame.

import { paint } from "./colors.js";
import { write } from "./dom.js";
import { fixed } from "./numbers.js";
import { atRest, state, shown } from "./state.js";

/** A rise below this is no one's fault. */
const LEAST = 0.02;

/** { error, baseline } of a node while the image is transformed; null where there is none. */
export function errorRow(model, node) {
  if (atRest()) return null;
  const row = state.frames[model]?.errorOf?.get(node);
  return row && row.error !== null ? row : null;
}

/** The error of the longest bar, the same for both models. */
export function reachOf() {
  const all = shown().flatMap((model) => state.frames[model]?.errors ?? []);
  return Math.max(0.25, ...all.map((row) => Math.max(row.error ?? 0, row.baseline ?? 0)));
}

/**
 * Whether a layer can be named now. Rotation, scale and elastic deformation interpolate: without the
 * error that this alone makes, the interpolation baseline, none is.
 */
export function blamed(model) {
  const { angle, scale, elastic } = state.motion;
  const exact = angle === 0 && scale === 1 && elastic.amount === 0;
  return !atRest() && (exact || (state.frames[model]?.errors ?? []).some((row) => row.baseline > 0));
}

/** The card where the error rises most over its inputs and its interpolation baseline; null for none. */
export function worstRise(view) {
  if (!blamed(view.model)) return null;
  let worst = null;
  let most = LEAST;
  for (const item of view.found.items) {
    const row = errorRow(view.model, item.node);
    if (!row) continue;
    const before = view.found.edges.filter((e) => e.to === item).map((e) => errorRow(view.model, e.from.node)?.error ?? 0);
    const rise = row.error - Math.max(row.baseline ?? 0, ...before);
    if (rise > most) [worst, most] = [item.key, rise];
  }
  return worst;
}

/** Bar, value and the tick of the interpolation baseline on a card. */
export function paintGauge(card, row, { worst, reach }) {
  card.outer.classList.toggle("lit", row !== null);
  card.outer.classList.toggle("worst", worst);
  const [bar, tick] = card.gauge.children;
  bar.style.transform = `scaleX(${((row?.error ?? 0) / reach).toFixed(4)})`;
  bar.style.background = row ? paint("positive", 0.3 + (0.7 * row.error) / reach).background : "";
  tick.hidden = !(row?.floor > 0);
  if (!tick.hidden) tick.style.left = `${(row.baseline / reach) * 100}%`;
  write(card.error, row ? `${worst ? "▲ " : ""}${fixed(row.error, 2)}` : "");
}

/** The same for the ear. */
export function errorWords(row) {
  if (!row) return "";
  return `; equivariance error ${fixed(row.error, 2)}${row.baseline > 0 ? `, interpolation baseline ${fixed(row.baseline, 2)}` : ""}`;
}
