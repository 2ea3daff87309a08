// Turning, scaling and bending the picture, what comes in at its border, and how fast all follows.

import { byId, el, icon, write } from "./dom.js";
import { pace } from "./live.js";
import { atRest, isSeries, on, set, state } from "./state.js";
import { fixed } from "./numbers.js";

/** Pixels that the strongest bend moves a place of the picture. */
const reach = () => Math.max(1, Math.min(...(state.about?.models[state.model].size ?? [24])) / 6);

const SLIDERS = [
  { name: "angle", label: "turn", min: -180, max: 180, step: 1, read: (m) => m.angle, write: (v) => ({ angle: v }), show: (m) => `${fixed(m.angle, 0)}°` },
  { name: "scale", label: "scale", min: -1, max: 1, step: 0.02, read: (m) => Math.log2(m.scale), write: (v) => ({ scale: v === 0 ? 1 : 2 ** v }), show: (m) => `× ${fixed(m.scale, 2)}` },
  { name: "warp", label: "bend", min: 0, max: 1, step: 0.02, read: (m) => m.warp.amount / reach(), write: (v) => ({ warp: { ...state.motion.warp, amount: v * reach() } }), show: (m) => `${fixed(m.warp.amount, 1)} px` },
];
const controls = new Map();

/** The sliders under the picture. */
export function start() {
  const box = byId("sliders");
  for (const slider of SLIDERS) box.append(sliderRow(slider));
  box.append(borderRow());
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
  const again = slider.name === "warp"
    ? el("button", { type: "button", class: "icon small", "aria-label": "Another bend", title: "Another bend", onclick: another }, icon("again"))
    : null;
  controls.set(slider.name, { input, out, slider });
  return el("div", { class: "slider" }, el("label", { for: `move-${slider.name}`, text: slider.label }), input, out, again);
}

function another() {
  const { motion } = state;
  const amount = motion.warp.amount || 0.4 * reach();
  set({ motion: { ...motion, warp: { amount, seed: motion.warp.seed + 1 } } });
}

function borderRow() {
  const choose = (kind, label, title) =>
    el("label", { title }, el("input", {
      type: "radio", name: "border", value: kind, checked: state.motion.kind === kind,
      onchange: () => set({ motion: { ...state.motion, kind } }),
    }), el("span", { text: label }));
  return el("div", { class: "slider border" },
    el("span", { id: "h-border", text: "border" }),
    el("div", { class: "switch", role: "radiogroup", "aria-labelledby": "h-border" },
      choose("circular", "circular", "What leaves on one side comes in on the other"),
      choose("zero", "zero", "Black comes in")),
    el("output", { id: "shifted" }));
}

function follow() {
  const { motion } = state;
  for (const { input, out, slider } of controls.values()) {
    const value = String(slider.read(motion));
    if (Number(input.value) !== Number(value)) input.value = value;
    write(out, slider.show(motion));
  }
  for (const radio of document.querySelectorAll('input[name="border"]')) radio.checked = radio.value === motion.kind;
  const arrows = [];
  if (motion.dx) arrows.push(`${motion.dx > 0 ? "→" : "←"} ${Math.abs(motion.dx)}`);
  if (motion.dy) arrows.push(`${motion.dy > 0 ? "↓" : "↑"} ${Math.abs(motion.dy)}`);
  write(byId("shifted"), arrows.join("  ") || "no shift");
  byId("rest").disabled = atRest();
}

/** A series is shifted, nothing else. */
function fit() {
  const series = isSeries();
  for (const { input } of controls.values()) input.closest(".slider").hidden = series;
  byId("draw").hidden = series;
  byId("h-picture").textContent = series ? "Series" : "Picture";
  byId("cam-words").textContent = `Grad-CAM on the ${series ? "series" : "picture"}`;
}

function tell() {
  const { rate, ms } = pace();
  const errors = atRest() ? "" : reasonOf() || interpolated();
  write(byId("pace"), [errors, `${Math.round(ms)} ms a step${rate > 4 ? `, ${rate} a second` : ""}`].filter(Boolean).join(" · "));
}

/** Only shifts by whole pixels are exact; the rest resamples, and that too differs between layers. */
function interpolated() {
  const { angle, scale, warp } = state.motion;
  return angle % 90 !== 0 || scale !== 1 || warp.amount !== 0 ? "errors include those of interpolation, marked by a tick" : "";
}

/** Why the error of the layers is not shown, where it is not. */
function reasonOf() {
  const frame = state.frames[state.model];
  return frame && !frame.errors && frame.reason ? frame.reason : "";
}
