// What the network predicts: bars for the classes, with a tick where the unshifted image stands; Grad-CAM.

import { byId, el, roving, say, tabStop, write } from "./dom.js";
import { fillLegend, makeLegend } from "./legend.js";
import { refresh } from "./live.js";
import { number, percent } from "./numbers.js";
import { nodeOf, on, set, shown, state } from "./state.js";
import { explain } from "./words.js";

/** Classes that are listed; fewer where two lists stand beside each other, or the window is low. */
const most = () => (state.both ? 5 : innerHeight >= 860 ? 10 : 6);
const panels = [null, null];
let layers = null;
let camNote = null;
let camLegend = null;

/** Bars that follow the frames. */
export function start() {
  on("graphs both model", rebuild);
  on("frames", follow);
  on("cam node", showCam);
  on("cam", refresh);
  camBox();
}

/** One model has its panel beside the image; of two, each has it above its own network. */
function rebuild() {
  byId("prediction").hidden = state.both;
  byId("predictions").replaceChildren();
  panels.fill(null);
  for (const model of shown()) {
    const place = state.both ? document.querySelector(`.one[data-model="${model}"] .slot`) : byId("predictions");
    if (!place) continue;
    panels[model] = panelOf(model);
    place.replaceChildren(panels[model].element);
  }
  follow();
}

function panelOf(model) {
  const about = state.about.models[model];
  const verdict = el("p", { class: "verdict" });
  const list = el("ul", { class: "bars", "aria-label": `Class probabilities of ${about.name}` });
  roving(list, "button");
  const note = about.task === "segment" ? el("p", { class: "hint", text: "Each class with its fraction of the pixels." }) : null;
  return { model, verdict, list, rows: new Map(), element: el("div", { class: "panel" }, verdict, note, list) };
}

function follow() {
  for (const panel of panels.filter(Boolean)) {
    const frame = state.frames[panel.model];
    if (frame) fill(panel, frame);
    else clear(panel);
  }
  showCam();
}

function clear(panel) {
  panel.verdict.replaceChildren();
  panel.list.replaceChildren();
  panel.rows.clear();
}

function fill(panel, frame) {
  const { prediction, reference } = frame;
  if (!prediction?.probabilities?.length) return values(panel, prediction);
  const first = reference?.probabilities?.length ? reference : prediction;
  showVerdict(panel, prediction, first);
  const now = new Map(prediction.probabilities.map((one) => [one.class, one]));
  const then = new Map(first.probabilities.map((one) => [one.class, one]));
  const order = ordered(prediction, first);
  const label = prediction.label?.index ?? null;
  for (const index of order) {
    const one = now.get(index) ?? { ...then.get(index), p: null };
    row(panel, index, one.name, one.p, reference ? then.get(index)?.p : null, label === index, prediction.probabilities[0].class === index);
  }
  prune(panel, order);
  return undefined;
}

/** Classes in the order of the unshifted image, so that rows stay where they are while it moves. */
function ordered(prediction, first) {
  const order = first.probabilities.slice(0, most()).map((one) => one.class);
  const top = prediction.probabilities[0].class;
  if (!order.includes(top)) order.splice(order.length >= most() ? most() - 1 : order.length, 1, top);
  return order;
}

function row(panel, index, name, p, before, label, top) {
  let made = panel.rows.get(index);
  if (!made) {
    const text = el("span", { class: "name" });
    const value = el("span", { class: "p" });
    const bar = el("i");
    const tick = el("b");
    const button = el("button", { type: "button", tabindex: "-1", title: "Grad-CAM for this class", onclick: () => camFor(panel.model, index) },
      text, el("span", { class: "track", "aria-hidden": "true" }, bar, tick), value);
    made = { item: el("li", {}, button), button, text, value, bar, tick };
    panel.rows.set(index, made);
  }
  write(made.text, name);
  write(made.value, percent(p));
  made.bar.style.width = `${(p ?? 0) * 100}%`;
  made.tick.hidden = before === null || before === undefined;
  made.tick.style.left = `${(before ?? 0) * 100}%`;
  made.item.className = `${label ? "label" : ""} ${top ? "first" : ""}`;
  made.button.setAttribute("aria-label", `${name}, ${percent(p)}${label ? ", the label" : ""}`);
  const aimed = state.cam && state.cam.target === index && state.model === panel.model;
  made.button.setAttribute("aria-pressed", String(Boolean(aimed)));
}

function prune(panel, order) {
  const wanted = order.map((index) => panel.rows.get(index));
  for (const [index, made] of panel.rows) {
    if (order.includes(index)) continue;
    made.item.remove();
    panel.rows.delete(index);
  }
  wanted.forEach((made, i) => {
    if (panel.list.children[i] !== made.item) panel.list.insertBefore(made.item, panel.list.children[i] ?? null);
  });
  const buttons = wanted.map((made) => made.button);
  tabStop(buttons, buttons.find((b) => b.tabIndex === 0));
}

function showVerdict(panel, prediction, first) {
  const [top] = prediction.probabilities;
  const was = first.probabilities[0];
  const label = prediction.label ?? null;
  const correct = label !== null && label.index === top.class;
  const flipped = was.class !== top.class;
  if (panel.said !== undefined && panel.said !== top.class) say(`${state.both ? `${"AB"[panel.model]}: ` : ""}predicted ${top.name}`);
  panel.said = top.class;
  const key = [top.name, flipped && was.name, label?.name, correct].join("\n");
  if (panel.verdict.childElementCount && panel.key === key) return;
  panel.key = key;
  panel.verdict.className = `verdict ${flipped ? "flipped" : ""}`;
  panel.verdict.replaceChildren(...[
    el("strong", { text: top.name }),
    flipped ? el("span", { class: "mark", text: `flipped from ${was.name}` }) : null,
    label === null ? null : el("span", { class: correct ? "right" : "wrong", text: correct ? "✓ correct" : `✗ label: ${label.name}` }),
  ].filter(Boolean));
}

/** A regression model outputs values, not classes. */
function values(panel, prediction) {
  panel.verdict.replaceChildren();
  panel.rows.clear();
  const list = prediction?.values ?? [];
  panel.list.replaceChildren(...list.slice(0, 10).map((one, i) =>
    el("li", { class: "plain" }, el("span", { class: "name", text: `output ${i}` }), el("span", { class: "p", text: number(one) }))));
  if (!list.length) panel.verdict.append(el("span", { class: "soft", text: "The output of this model is a map; see its last card." }));
}

function camFor(model, index) {
  const same = state.cam?.target === index && state.model === model;
  set({ model, cam: { target: same ? null : index, layer: state.cam?.layer ?? null, method: "grad_cam" } });
}

/** Grad-CAM on or off. */
export function toggleCam() {
  set({ cam: state.cam ? null : { target: null, layer: null, method: "grad_cam" } });
}

function camBox() {
  const toggle = el("input", { type: "checkbox", id: "cam", onchange: toggleCam, "aria-keyshortcuts": "g" });
  layers = el("select", { id: "cam-layer", "aria-label": "Layer of Grad-CAM", onchange: () => set({ cam: { ...state.cam, layer: layers.value || null } }) });
  camNote = el("p", { class: "note", id: "cam-note" });
  camLegend = makeLegend();
  byId("cam-box").append(
    el("div", { class: "head" }, el("label", { class: "check" }, toggle, el("span", { id: "cam-words", text: "Grad-CAM on the image" }))),
    el("div", { class: "cam-more", id: "cam-more", hidden: true },
      el("p", { class: "explain", text: explain("cam") }), layers, camLegend, camNote),
  );
}

function showCam() {
  byId("cam").checked = Boolean(state.cam);
  byId("cam-more").hidden = !state.cam;
  if (!state.cam) return;
  const chosen = nodeOf(state.model, state.node);
  const name = chosen?.name && chosen.shape.length === 3 ? chosen.name : null;
  const options = [["", "layer chosen automatically"]];
  if (state.cam.layer) options.push([state.cam.layer, state.cam.layer]);
  if (name && name !== state.cam.layer) options.push([name, `${name} (the open card)`]);
  const key = options.join("|");
  if (layers.dataset.key !== key) {
    layers.dataset.key = key;
    layers.replaceChildren(...options.map(([value, text]) => el("option", { value, text })));
  }
  layers.value = state.cam.layer ?? "";
  const frame = state.frames[state.model];
  const cam = frame?.cam;
  fillLegend(camLegend, cam);
  write(camNote, cam ? `Class ${nameOf(cam.target)}, layer ${cam.layer}: ${cam.layer_reason ?? ""}.` : (frame?.reason ?? ""));
}

function nameOf(target) {
  return state.about.models[state.model].classes?.[target] ?? `output ${target}`;
}
