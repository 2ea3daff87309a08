// Rotation, scale and elastic deformation of the image, the padding at its border, and the pace of all.

import { byId, el, icon, write } from "./dom.js";
import { pace } from "./live.js";
import { atRest, isSeries, on, set, state } from "./state.js";
import { fixed } from "./numbers.js";

/** Pixels that the largest elastic deformation displaces a place of the image. */
const reach = () => Math.max(1, Math.min(...(state.about?.models[state.model].size ?? [24])) / 6);

const SLIDERS = [
  { name: "angle", label: "rotation", min: -180, max: 180, step: 1, read: (m) => m.angle, write: (v) => ({ angle: v }), show: (m) => `${fixed(m.angle, 0)}°` },
  { name: "scale", label: "scale", min: -1, max: 1, step: 0.02, read: (m) => Math.log2(m.scale), write: (v) => ({ scale: v === 0 ? 1 : 2 ** v }), show: (m) => `× ${fixed(m.scale, 2)}` },
  { name: "elastic", label: "elastic", min: 0, max: 1, step: 0.02, read: (m) => m.elastic.amount / reach(), write: (v) => ({ elastic: { ...state.motion.elastic, amount: v * reach() } }), show: (m) => `${fixed(m.elastic.amount, 1)} px` },
];
const PADDINGS = [["circular", "circular", "What leaves on one side comes in on the other"], ["zeros", "zeros", "Black comes in; of raw values, their mean"]];
const controls = new Map();

/** The sliders under the image. */
export function start() {
  const box = byId("sliders");
  for (const slider of SLIDERS) box.append(sliderRow(slider));
  box.append(paddingRow());
  byId("motion").addEventListener("submit", (event) => event.preventDefault());
  on("frames", follow); // not with every movement of a hand: the page is painted once a step
  on("frames", tell);
  on("graphs", fit);
  follow();
}

function sliderRow(slider) {
  const input = el("input", {
    type: "range", id: `move-${slider.name}`, min: slider.min, max: slider.max, step: slider.step, value: 0,
    oninput: () => set({ motion: { ...state.motion, ...slider.write(Number(input.value)) } }),
  });
  const out = el("output", { for: `move-${slider.name}` });
  const again = slider.name === "elastic"
    ? el("button", { type: "button", class: "icon small", id: "another", "aria-label": "Another random elastic deformation", title: "Another random elastic deformation", onclick: another }, icon("again"))
    : null;
  controls.set(slider.name, { input, out, slider });
  return el("div", { class: "slider" }, el("label", { for: `move-${slider.name}`, text: slider.label }), input, out, again);
}

function another() {
  const { motion } = state;
  const amount = motion.elastic.amount || 0.4 * reach();
  set({ motion: { ...motion, elastic: { amount, seed: motion.elastic.seed + 1 } } });
}

function paddingRow() {
  const choose = ([padding, label, title]) =>
    el("label", { title }, el("input", {
      type: "radio", name: "padding", value: padding, checked: state.motion.padding === padding,
      onchange: () => set({ motion: { ...state.motion, padding } }),
    }), el("span", { text: label }));
  return el("div", { class: "slider border", id: "padding" },
    el("span", { id: "h-padding", text: "padding" }),
    el("div", { class: "switch", role: "radiogroup", "aria-labelledby": "h-padding" }, PADDINGS.map(choose)));
}

function follow() {
  const { motion } = state;
  for (const { input, out, slider } of controls.values()) {
    const value = String(slider.read(motion));
    if (Number(input.value) !== Number(value)) input.value = value;
    write(out, slider.show(motion));
  }
  for (const radio of document.querySelectorAll('input[name="padding"]')) radio.checked = radio.value === motion.padding;
  const arrows = [];
  if (motion.dx) arrows.push(`${motion.dx > 0 ? "→" : "←"} ${Math.abs(motion.dx)}`);
  if (motion.dy) arrows.push(`${motion.dy > 0 ? "↓" : "↑"} ${Math.abs(motion.dy)}`);
  write(byId("shifted"), arrows.length ? `shift ${arrows.join("  ")} px` : "");
  byId("rest").disabled = atRest();
}

/** A series is shifted, nothing else. */
function fit() {
  const series = isSeries();
  for (const { input } of controls.values()) input.closest(".slider").hidden = series;
  byId("draw").hidden = series;
  byId("h-image").textContent = series ? "Series" : "Image";
  byId("cam-words").textContent = `Grad-CAM on the ${series ? "series" : "image"}`;
}

function tell() {
  const { rate, ms } = pace();
  const errors = atRest() ? "" : reasonOf() || interpolated();
  const speed = state.about?.saved ? "" : `${Math.round(ms)} ms per step${rate > 4 ? `, ${rate} per second` : ""}`;
  write(byId("pace"), [errors, speed].filter(Boolean).join(" · "));
}

/** Only shifts by whole pixels are exact; the rest resamples, and that too differs between layers. */
function interpolated() {
  const { angle, scale, elastic } = state.motion;
  return angle % 90 !== 0 || scale !== 1 || elastic.amount !== 0 ? "errors include interpolation: its baseline is the tick" : "";
}

/** Why the errors of the layers are not shown, where they are not. */
function reasonOf() {
  const frame = state.frames[state.model];
  return frame && !frame.errors && frame.reason ? frame.reason : "";
}
